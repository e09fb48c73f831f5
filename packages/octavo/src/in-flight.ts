/**
 * Hands the items of `source` to `work`, at most `limit` at a time, in order of arrival.
 * The first failure stops the handing out; what is in flight is awaited, then that failure is thrown.
 * A source is read only when there is room for its next item. Memory: the items in flight, whatever the limit.
 */
export async function eachInFlight<Item>(
  source: AsyncIterable<Item> | Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const items = iterate(source);
  const lanes: Promise<void>[] = [];
  let failure: { readonly error: unknown } | undefined;
  const openLane = (): void => {
    if (lanes.length < limit) lanes.push(lane());
  };
  const lane = async (): Promise<void> => {
    let isNew = true;
    while (failure === undefined) {
      try {
        const next = await items.next();
        if (next.done === true) return;
        // The next lane opens when this one has found something to do: a limit of millions must not open as many for ten items.
        if (isNew) openLane();
        isNew = false;
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  openLane();
  // Lanes that open meanwhile are at the end of the same array.
  for (const running of lanes) await running;
  await items.return(undefined);
  if (failure !== undefined) throw failure.error;
}

/** One iterator for both kinds of source; a generator queues the calls that come before the last one was answered. */
async function* iterate<Item>(source: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item, void, undefined> {
  yield* source;
}
