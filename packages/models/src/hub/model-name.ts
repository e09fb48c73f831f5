/** Names of models on the hub: `ORG/NAME`, or `ORG/NAME@REV`. */
import { ModelsError } from '../errors.ts';

export interface ModelName {
  /** ORG/NAME. */
  readonly name: string;
  /** Branch, tag or commit behind the `@`. */
  readonly revision?: string;
}

const PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;

/** Branches and tags may have slashes (`refs/pr/1`); what git forbids in them is forbidden here too, as it becomes a path in the cache. */
const REVISION = /^(?!.*(?:\.\.|\/\/|\/\.|@\{))[A-Za-z0-9_][A-Za-z0-9._+/-]{0,254}(?<![./])$/;

/** The parts of a name, or undefined for a text that is none. Pure. */
export function parseModelName(text: string): ModelName | undefined {
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  const parts = name.split('/');
  if (parts.length !== 2 || !parts.every((part) => PART.test(part) && !part.includes('--') && !part.includes('..'))) {
    return undefined;
  }
  if (at === -1) return { name };
  const revision = text.slice(at + 1);
  return isRevision(revision) ? { name, revision } : undefined;
}

function isRevision(text: string): boolean {
  return REVISION.test(text);
}

/** A commit is its own revision: what it names never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The revision to use: the one behind the name, else the option, else `main`. Pure. Throws MODEL_OPTION_INVALID when they differ or make no sense. */
export function chosenRevision({ name, revision: own }: ModelName, option: string | undefined): string {
  if (own !== undefined && option !== undefined && own !== option) {
    const message = `${name}@${own} and the revision ${option} contradict each other; give one of them.`;
    throw new ModelsError('MODEL_OPTION_INVALID', message);
  }
  const revision = own ?? option ?? 'main';
  if (isRevision(revision)) return revision;
  throw new ModelsError(
    'MODEL_OPTION_INVALID',
    `The revision ${JSON.stringify(revision)} can be no branch, tag or commit; give one that the model's page on the hub shows.`,
  );
}
