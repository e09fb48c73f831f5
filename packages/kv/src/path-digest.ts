import { InvariantBroken } from './errors.ts';
import type { PageTokens } from './page-tokens.ts';
import type { RadixNodes } from './radix-nodes.ts';
import type { SaltRoots } from './salt-roots.ts';
import { TokenDigest } from './token-digest.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** A digest that can start anywhere in the radix tree, in O(1): every published page keeps the digest of the way to its end. */
export class PathDigest extends TokenDigest {
  readonly #nodes: RadixNodes;
  readonly #tokens: PageTokens;
  readonly #roots: SaltRoots;

  constructor(nodes: RadixNodes, tokens: PageTokens, roots: SaltRoots) {
    super();
    this.#nodes = nodes;
    this.#tokens = tokens;
    this.#roots = roots;
  }

  /** Starts after all tokens up to the end of a published page. */
  startAfterPage(page: PageId): void {
    this.resume(this.#tokens.digestHigh(page), this.#tokens.digestLow(page));
  }

  /** Starts before the first token of a page in the label of `node`. */
  startBeforePage(node: NodeId, page: PageId): void {
    const previous = this.#nodes.previousPage(page);
    if (previous !== NULL_PAGE) this.startAfterPage(previous);
    else this.startAfterNode(this.#nodes.parent(node));
  }

  /** Starts after all tokens up to the end of a node. */
  startAfterNode(node: NodeId): void {
    const last = this.#nodes.lastPage(node);
    if (last !== NULL_PAGE) {
      this.startAfterPage(last);
      return;
    }
    const root = this.#roots.of(node);
    if (root === undefined) throw new InvariantBroken(5, `node ${node} has no page and is not a root`);
    this.resume(root.digestHigh, root.digestLow);
  }
}
