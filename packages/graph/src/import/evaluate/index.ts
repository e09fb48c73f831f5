import { arithmetic } from './arithmetic.ts';
import { attentionNodes } from './attention-nodes.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import type { Operator, OperatorTable } from './operator.ts';

const operators: OperatorTable = { ...elementwise, ...layout, ...indexing, ...arithmetic, ...attentionNodes };

/** The operator of a node; undefined: nothing is known about it. Pure. */
export function operatorOf(node: { readonly operator: string; readonly domain: string }): Operator | undefined {
  const key = node.domain === '' ? node.operator : `${node.domain}.${node.operator}`;
  return Object.hasOwn(operators, key) ? operators[key] : undefined;
}
