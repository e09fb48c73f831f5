/** Everything that `octavo inspect` says about a model, gathered without loading it. */
import { bytesPerToken } from '@octavo/engine';
import { inspectModel, type KvType, type ModelInspection, type ModelShape, type ModelSource } from '@octavo/graph';
import { openText, TextError } from '@octavo/text';
import { type MemoryBudget, type MemoryPlan, planMemory } from './memory-plan.ts';

export interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface Inspection {
  /** Whether `octavo generate` would run it; with its own tokenizer, if it has one. */
  readonly supported: boolean;
  readonly problems: readonly Problem[];
  /** What makes it run in another way than others; absent: nothing. */
  readonly notices?: readonly string[];
  readonly format: ModelInspection['format'];
  readonly architecture?: string;
  readonly shape?: Omit<ModelShape, 'architecture'>;
  readonly parameters?: number;
  readonly stored: ModelInspection['stored'];
  readonly quantization?: string;
  readonly weightBytes: ModelInspection['weightBytes'];
  readonly tokenizer: boolean;
  readonly chatTemplate: boolean;
  /** Bytes of K and V of one token in all layers; absent without a shape. */
  readonly bytesPerToken?: Readonly<Record<KvType, number>>;
  /** Absent without a shape. */
  readonly memory?: MemoryPlan;
}

export const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'int8'];

/** Reads configurations and headers. Never throws for a fault of the model: those are `problems`. */
export async function inspect(source: ModelSource, budget: MemoryBudget): Promise<Inspection> {
  const [model, text] = await Promise.all([inspectModel(source), inspectText(source.folder)]);
  const { shape, weightBytes, format, stored } = model;
  const problems = [...model.problems.map(problemOf), ...text.problems];
  return {
    supported: problems.length === 0,
    problems,
    ...present('notices', model.notices),
    format,
    ...present('architecture', model.architecture),
    ...(shape === undefined ? {} : { shape: withoutName(shape) }),
    ...present('parameters', model.parameters),
    stored,
    ...present('quantization', model.quantization),
    weightBytes,
    tokenizer: text.tokenizer,
    chatTemplate: text.chatTemplate,
    ...(shape === undefined ? {} : costsOf(shape, weightBytes, budget)),
  };
}

function costsOf(shape: ModelShape, weightBytes: ModelInspection['weightBytes'], budget: MemoryBudget) {
  const sizes = Object.fromEntries(KV_TYPES.map((type) => [type, bytesPerToken(shape, type)]));
  const perToken = sizes as Record<KvType, number>;
  return { bytesPerToken: perToken, memory: planMemory({ weightBytes, bytesPerToken: perToken }, budget) };
}

interface TextInspection {
  readonly tokenizer: boolean;
  readonly chatTemplate: boolean;
  readonly problems: readonly Problem[];
}

/** A damaged tokenizer is there all the same. */
async function inspectText(folder: string): Promise<TextInspection> {
  try {
    const text = await openText(folder);
    return { tokenizer: text !== undefined, chatTemplate: text?.hasChatTemplate ?? false, problems: [] };
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    const isTemplate = error.code.startsWith('TEMPLATE_');
    return { tokenizer: true, chatTemplate: isTemplate, problems: [problemOf(error)] };
  }
}

function problemOf({ code, message }: Problem): Problem {
  return { code, message };
}

function present<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: Value });
}

function withoutName({ architecture: _, ...shape }: ModelShape): Omit<ModelShape, 'architecture'> {
  return shape;
}
