/** An export as optimum merges it: one `If`, whose branch with a past is the export and whose other branch is something else. Used by tests. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

const SWITCH = 'use_cache_branch';

/** Initializers stay outside but for one; `renamed` gives the branch outputs of its own names. */
export function merged(bytes: Uint8Array, { renamed = false } = {}): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const graph = model.graph as GraphProto;
  const [inner, ...outer] = graph.initializer.toReversed();
  const outputs = graph.output.map(({ name }) => name);
  const innerName = (name: string) => (renamed && outputs.includes(name) ? `${name}/inner` : name);
  const withPast = create(GraphProtoSchema, {
    name: 'with_past',
    node: graph.node.map((node) => ({ ...node, input: node.input.map(innerName), output: node.output.map(innerName) })),
    initializer: inner ? [inner] : [],
    output: graph.output.map((output) => ({ ...output, name: innerName(output.name) })),
  });
  graph.node = [ifNode(withPast, withoutPast(graph, outputs), outputs)];
  graph.initializer = outer.toReversed();
  graph.input.push(
    create(ValueInfoProtoSchema, {
      name: SWITCH,
      type: create(TypeProtoSchema, {
        value: {
          case: 'tensorType',
          value: create(TypeProto_TensorSchema, {
            elemType: 9,
            shape: { dim: [{ value: { case: 'dimValue', value: 1n } }] },
          }),
        },
      }),
    }),
  );
  return toBinary(ModelProtoSchema, model);
}

/** Hands the past on, and the tokens for logits: nobody could take it for the model. */
function withoutPast(graph: GraphProto, outputs: readonly string[]): GraphProto {
  const nodes = outputs.map((name) => {
    const input = name === 'logits' ? 'input_ids' : name.replace('present', 'past_key_values');
    return create(NodeProtoSchema, { opType: 'Identity', input: [input], output: [`${name}/no_past`] });
  });
  const output = graph.output.map((value) => ({ ...value, name: `${value.name}/no_past` }));
  return create(GraphProtoSchema, { name: 'no_past', node: nodes, output });
}

function ifNode(thenBranch: GraphProto, elseBranch: GraphProto, outputs: readonly string[]): NodeProto {
  const branch = (name: string, g: GraphProto) => create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g });
  return create(NodeProtoSchema, {
    opType: 'If',
    name: 'optimum::if',
    input: [SWITCH],
    output: [...outputs],
    attribute: [branch('then_branch', thenBranch), branch('else_branch', elseBranch)],
  });
}
