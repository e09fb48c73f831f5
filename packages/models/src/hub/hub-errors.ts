/** What the hub's refusals mean, and what a person can do about each. */
import { ModelsError } from '../errors.ts';

export interface Denial {
  readonly endpoint: string;
  /** ORG/NAME. */
  readonly name: string;
  readonly revision: string;
  readonly status: number;
  /** `X-Error-Code` of the answer; may be empty. */
  readonly errorCode: string;
  /** What the hub says, on one line. */
  readonly reason: string;
  readonly hasToken: boolean;
}

/** The error for an answer of the hub that is neither a success nor a passing failure. Pure. */
export function refusalOf(denial: Denial): ModelsError {
  const { name, status, errorCode, reason } = denial;
  const details = { name, status };
  if (errorCode === 'GatedRepo' || /gated|access to (this )?model/i.test(reason)) {
    return new ModelsError('HUB_ACCESS_DENIED', gatedSentence(denial), { details });
  }
  if (errorCode === 'RevisionNotFound') {
    const message = `${name} has no revision ${denial.revision}; give a branch, tag or commit that its page on the hub shows`;
    return new ModelsError('HUB_REVISION_MISSING', `${message}.`, {
      details: { ...details, revision: denial.revision },
    });
  }
  // The hub does not tell strangers which private models exist: it answers 401 for what may not be there at all.
  if (status === 404 || errorCode === 'RepoNotFound' || (status === 401 && !denial.hasToken)) {
    return new ModelsError('HUB_MODEL_MISSING', missingSentence(denial), { details });
  }
  if (status === 401) {
    const message = `The hub refuses the token (${reason || status}); set HF_TOKEN to a valid one, or remove it`;
    return new ModelsError('HUB_TOKEN_REFUSED', `${message}.`, { details });
  }
  if (status === 403) {
    const message = `The hub denies access to ${name} (${reason || status}); use a token whose permissions cover it`;
    return new ModelsError('HUB_ACCESS_DENIED', `${message}.`, { details });
  }
  const message = `The hub answered ${status} for ${name} (${reason || 'without a reason'}); try again later`;
  return new ModelsError('HUB_FAILED', `${message}.`, { details });
}

function gatedSentence({ endpoint, name, hasToken }: Denial): string {
  const page = `${endpoint}/${name}`;
  return hasToken
    ? `${name} is gated and this token has no access to it; ask for access on ${page}, and use a token that may read gated models.`
    : `${name} is gated; accept its terms on ${page}, then set HF_TOKEN to a token of your account (${endpoint}/settings/tokens).`;
}

function missingSentence({ endpoint, name, hasToken }: Denial): string {
  return hasToken
    ? `${endpoint} has no model ${name} that this token may see; check the name and the token's permissions.`
    : `${endpoint} has no public model ${name}; check the name, or set HF_TOKEN if it is a private one.`;
}

/** Something in an answer that must not be trusted, or makes no sense. */
export function nonsense(name: string, what: string): ModelsError {
  return new ModelsError('HUB_FAILED', `The hub's answer about ${name} makes no sense: ${what}; try again later.`, {
    details: { name },
  });
}
