/** Whether K and V of an export follow from how many tokens there are: rope factors that change with the length, for one. */
import { Analysis } from './analysis.ts';
import { depends } from './facts.ts';
import type { PastInterface } from './interface.ts';
import { anySizes, Probes } from './probes.ts';
import type { SourceGraph } from './source-graph.ts';

/** Inputs of the node that makes present keys out of which the new ones come. */
const sources: ReadonlyMap<string, readonly number[]> = new Map([
  ['Concat', [1]],
  ['GroupQueryAttention', [0, 1, 2, 7, 8]],
  ['MultiHeadAttention', [0, 1, 2]],
]);

/** The node that makes the first layer's keys or values follow from it; undefined: none is known. */
export function lengthDependence(graph: SourceGraph, names: PastInterface, contextTokens: number): string | undefined {
  const probes = new Probes(graph, names, anySizes(contextTokens));
  const analysis = new Analysis(graph, names, probes);
  const [first] = names.layers;
  for (const present of [first?.presentKey, first?.presentValue]) {
    const node = probes.producers.get(present ?? '');
    for (const index of sources.get(node?.operator ?? '') ?? []) {
      const name = node?.inputs[index] ?? '';
      if ((analysis.fact(name).depends & (depends.mask | depends.rowCount | depends.pastCount)) === 0) continue;
      const maker = probes.producers.get(name);
      return `${maker?.label ?? name} (${maker?.operator ?? 'input'})`;
    }
  }
  return undefined;
}
