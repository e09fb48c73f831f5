/**
 * Ids and quantities of this package as types, so that pages are never added to tokens by accident.
 * They are made here and by the private accessors of column classes, nowhere else.
 */
declare const unit: unique symbol;

/** A page: index into every layer's pool. 0 is the null page (always zero, never allocated; it pads page tables). */
export type PageId = number & { readonly [unit]: 'page' };
/** One token's place in the pools: page x pageSize + offset. */
export type SlotIndex = number & { readonly [unit]: 'slot' };
/** A radix node. */
export type NodeId = number & { readonly [unit]: 'node' };
/** A claim. */
export type ClaimId = number & { readonly [unit]: 'claim' };

/** The page that is always zero and never allocated. */
export const NULL_PAGE = 0 as PageId;

/** Pages that `tokens` tokens fill, the last one perhaps partly. Pure. */
export function pagesFor(tokens: number, pageSize: number): number {
  return Math.ceil(tokens / pageSize);
}

/** Pages that `tokens` tokens fill completely. Pure. */
export function fullPagesIn(tokens: number, pageSize: number): number {
  return Math.floor(tokens / pageSize);
}
