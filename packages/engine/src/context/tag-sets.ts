import type { ContextDetector } from './context-detector.ts';

/** The context changed when a tag of before is gone: `repo:billing` became `repo:shop`. Tags that came are no change. Pure. */
export function tagSets(): ContextDetector {
  return ({ tags, previous }) => {
    const current = new Set(tags);
    return previous.tags.some((tag) => !current.has(tag));
  };
}
