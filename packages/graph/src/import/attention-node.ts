/** Attention that is one node with past keys and values: GroupQueryAttention and MultiHeadAttention (ContribOperators.md of onnxruntime). */
import type { Analysis, NodeSite } from './analysis.ts';
import type { PastLayer } from './interface.ts';
import {
  notAttention,
  type ResolvedAttention,
  type RotationView,
  type RowsView,
  viewOf,
  widthOf,
} from './resolved-attention.ts';
import { floatOf, intOf } from './source-graph.ts';

type Shape = Pick<
  ResolvedAttention,
  'heads' | 'scale' | 'window' | 'softCap' | 'queries' | 'keys' | 'values' | 'rotation'
>;

/** Throws ONNX_UNSUPPORTED. */
export function resolveNode(analysis: Analysis, site: NodeSite): ResolvedAttention {
  const shape = site.node.operator === 'GroupQueryAttention' ? groupQuery(analysis, site) : multiHead(analysis, site);
  const { kvHeads, headDim } = analysis.names;
  const width = (view: RowsView) => view.columns?.width ?? widthOf(view);
  const isSound =
    shape.heads % kvHeads === 0 &&
    width(shape.queries) === shape.heads * headDim &&
    width(shape.keys) === kvHeads * headDim &&
    width(shape.values) === kvHeads * headDim;
  if (!isSound)
    throw notAttention(analysis, site, `${kvHeads} KV heads of ${headDim} and a multiple of them as query heads`);
  return { layer: site.layer, ...shape, output: viewOf(analysis, site.output) };
}

const gqaAttributes = new Set([
  'num_heads',
  'kv_num_heads',
  'scale',
  'softcap',
  'local_window_size',
  'do_rotary',
  'rotary_interleaved',
]);

function groupQuery(analysis: Analysis, site: NodeSite): Shape {
  const { node } = site;
  const input = (index: number) => node.inputs[index] ?? '';
  refuseAttributes(analysis, site, gqaAttributes);
  checkPast(analysis, site, { first: 3 });
  if (!analysis.probes.isEverywhere(input(5), ({ rows, past }) => [past + rows - 1])) {
    throw notAttention(analysis, site, 'seqlens_k to be the length of past and new tokens less 1');
  }
  for (const [index, what] of [
    [10, 'attention_bias'],
    [11, 'head_sink'],
    [12, 'k_scale'],
  ] as const) {
    if (input(index) !== '') throw notAttention(analysis, site, `no ${what}`);
  }
  const window = intOf(node, 'local_window_size', -1);
  return {
    ...headsOf(analysis, site),
    // The runtime counts the row's own position as part of it.
    window: window < 0 ? undefined : window,
    softCap: positive(floatOf(node, 'softcap', 0)),
    rotation: intOf(node, 'do_rotary', 0) === 1 ? rotationOf(analysis, site) : undefined,
    ...projections(analysis, site),
  };
}

function rotationOf(analysis: Analysis, site: NodeSite): RotationView {
  const { node } = site;
  const [cosines, sines, positions] = [node.inputs[7] ?? '', node.inputs[8] ?? '', node.inputs[9] ?? ''];
  if (positions !== '' && !analysis.fact(positions).isPositions) {
    throw notAttention(analysis, site, 'position_ids that are the positions of the rows');
  }
  const { dims, isConstant } = analysis.fact(cosines);
  const half = dims[1];
  const isSound = isConstant && analysis.fact(sines).isConstant && dims.length === 2 && typeof half === 'number';
  if (!isSound || 2 * half > analysis.names.headDim) {
    throw notAttention(
      analysis,
      site,
      'tables of cosines and sines [positions, rotated / 2] that are the same at every length',
    );
  }
  return { cosines, sines, isInterleaved: intOf(node, 'rotary_interleaved', 0) === 1, rotatedDim: 2 * half };
}

function projections(analysis: Analysis, site: NodeSite): Pick<Shape, 'queries' | 'keys' | 'values'> {
  const [query = '', key = '', value = ''] = site.node.inputs;
  const queries = viewOf(analysis, query);
  if (key !== '' && value !== '') return { queries, keys: viewOf(analysis, key), values: viewOf(analysis, value) };
  if (key !== value) throw notAttention(analysis, site, 'keys and values both, or both packed with the queries');
  const { kvHeads, headDim } = analysis.names;
  const own = intOf(site.node, 'num_heads', 0) * headDim;
  const kv = kvHeads * headDim;
  const part = (first: number, width: number): RowsView => ({ ...queries, columns: { first, width } });
  return { queries: part(0, own), keys: part(own, kv), values: part(own + kv, kv) };
}

const mhaAttributes = new Set(['num_heads', 'scale', 'unidirectional', 'mask_filter_value']);

function multiHead(analysis: Analysis, site: NodeSite): Shape {
  const { node } = site;
  const [query = '', key = '', value = '', bias = '', padding = '', mask = ''] = node.inputs;
  refuseAttributes(analysis, site, mhaAttributes);
  checkPast(analysis, site, { first: 6 });
  if (key === '' || value === '') throw notAttention(analysis, site, 'queries, keys and values as three inputs');
  if (
    padding !== '' &&
    !analysis.probes.isEverywhere(padding, ({ rows, past }) => new Array<number>(past + rows).fill(1))
  ) {
    throw notAttention(analysis, site, 'a key_padding_mask that masks nothing when attention_mask is all 1');
  }
  const window = maskWindow(analysis, site, mask);
  const rows = [query, key, value].map((name) => viewOf(analysis, name)) as [RowsView, RowsView, RowsView];
  const width = widthOf(rows[0]);
  const [queries, keys, values] =
    bias === ''
      ? rows
      : (rows.map((view, index) => ({ ...view, bias: { name: bias, first: index * width } })) as typeof rows);
  if (bias !== '' && !analysis.fact(bias).isConstant) throw notAttention(analysis, site, 'a bias that is a constant');
  return { ...headsOf(analysis, site), window, softCap: undefined, rotation: undefined, queries, keys, values };
}

/** The window of an additive mask [.., rows, tokens]; without a mask the node must be causal itself. */
function maskWindow(analysis: Analysis, site: NodeSite, mask: string): number | undefined {
  const isCausal = intOf(site.node, 'unidirectional', 0) === 1;
  if (mask === '') {
    if (!isCausal) throw notAttention(analysis, site, 'a causal mask, or unidirectional to be 1');
    return undefined;
  }
  const { all } = analysis.probes;
  const seen = (at: number) => {
    const { sizes, evaluation } = all.at(at) as (typeof all)[number];
    return { ...sizes, mask: evaluation.elements(mask) };
  };
  const last = seen(-1);
  const first = last.mask?.findIndex((term) => term > -1) ?? -1;
  const window = first > 0 ? last.rows + last.past - first : undefined;
  for (let at = 0; at < all.length; at += 1) {
    const { rows, past, mask: terms } = seen(at);
    const tokens = rows + past;
    const isSound = terms?.every((term, index) => {
      const behind = past + (Math.floor(index / tokens) % rows) - (index % tokens);
      const isSeen = behind < (window ?? Number.POSITIVE_INFINITY) && (behind >= 0 || (isCausal && term === 0));
      return isSeen ? term === 0 : term < -1000;
    });
    if (isSound !== true || terms === undefined || terms.length % (rows * tokens) !== 0) {
      throw notAttention(
        analysis,
        site,
        "a mask of 0 for positions up to the row's own (or a window of them) and a large negative for others",
      );
    }
  }
  return window;
}

function headsOf(analysis: Analysis, { node }: NodeSite): Pick<Shape, 'heads' | 'scale'> {
  const scale = floatOf(node, 'scale', 0);
  return { heads: intOf(node, 'num_heads', 0), scale: scale === 0 ? analysis.names.headDim ** -0.5 : scale };
}

/** The past of its own layer, and outputs that are the graph's. */
function checkPast(analysis: Analysis, site: NodeSite, { first }: { first: number }): void {
  const { pastKey, pastValue, presentKey, presentValue } = analysis.names.layers[site.layer] as PastLayer;
  const { inputs, outputs } = site.node;
  const isSound =
    inputs[first] === pastKey &&
    inputs[first + 1] === pastValue &&
    outputs[1] === presentKey &&
    outputs[2] === presentValue;
  if (!isSound)
    throw notAttention(
      analysis,
      site,
      `${pastKey} and ${pastValue} to go in and ${presentKey} and ${presentValue} to come out`,
    );
}

function refuseAttributes(analysis: Analysis, site: NodeSite, known: ReadonlySet<string>): void {
  for (const [name, attribute] of site.node.attributes) {
    const isOff = attribute.kind === 'int' && attribute.int === 0;
    const isKnown = known.has(name) || isOff || (attribute.kind === 'text' && attribute.text === 'NONE');
    const isUnset = attribute.kind === 'int' && attribute.int < 0;
    if (!isKnown && !isUnset) throw notAttention(analysis, site, `no attribute ${name}`);
  }
}

function positive(value: number): number | undefined {
  return value > 0 ? value : undefined;
}
