import type { ClaimReader } from './claim-reader.ts';
import { claimView } from './entries.ts';
import type { KvParts } from './kv-parts.ts';
import type { CacheWalk, WalkedClaim, WalkedWay } from './lifetimes.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** Goes by the numbers of claims, which stay what they are while a claim lives, wherever it is moved. */
export class ClaimWalk implements CacheWalk {
  readonly #parts: KvParts;
  readonly #reader: ClaimReader;
  #at = 0;
  #node: NodeId | undefined;

  constructor(parts: KvParts) {
    this.#parts = parts;
    this.#reader = parts.index.reader;
  }

  get isOver(): boolean {
    return this.#at + 1 >= this.#reader.end;
  }

  next(most: number): WalkedClaim | undefined {
    this.#parts.clock.read();
    for (let left = most; left > 0 && !this.isOver; left--) {
      this.#at++;
      const found = this.#find();
      if (found) return found;
    }
    return undefined;
  }

  again(): WalkedClaim | undefined {
    this.#parts.clock.read();
    return this.#find();
  }

  way(isKnown: (page: number) => boolean): WalkedWay {
    if (this.#node === undefined) return { known: NULL_PAGE, pages: [] };
    const pages: PageId[] = [];
    const known = this.#reader.readUp(this.#node, isKnown, pages);
    return { known, pages: pages.reverse() };
  }

  tokensOf(page: number): Uint32Array {
    return this.#reader.tokensOf(page as PageId);
  }

  #find(): WalkedClaim | undefined {
    const found = this.#reader.find(this.#at as ClaimId);
    const { nowMs } = this.#parts.clock;
    // What is out of time has ended, also where the wheel has not come to it; the time of what runs has not begun.
    const isLive = found?.record.state === 'settled' && found.record.expiryMs > nowMs;
    this.#node = isLive ? found.node : undefined;
    if (!isLive) return undefined;
    const { record } = found;
    return { salt: record.terms.salt, terms: record.terms.id, view: claimView(record, nowMs) };
  }
}
