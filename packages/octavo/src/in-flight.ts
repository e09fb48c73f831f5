/**
 * Hands the items of `source` to `work`, at most `limit` at a time, in order of arrival.
 * The first failure stops the handing out; what is in flight is awaited, then that failure is thrown.
 * A source is read only when there is room for its next item.
 */
export async function eachInFlight<Item>(
  source: AsyncIterable<Item> | Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const items = iterate(source);
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (failure === undefined) {
      try {
        const next = await items.next();
        if (next.done === true) return;
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  await items.return(undefined);
  if (failure !== undefined) throw failure.error;
}

/** One iterator for both kinds of source; a generator queues the calls that come before the last one was answered. */
async function* iterate<Item>(source: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item, void, undefined> {
  yield* source;
}
