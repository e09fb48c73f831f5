import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as octavo from 'octavo';
import { describe, expect, it } from 'vitest';

describe('the door of the package', () => {
  it('leads to the engine, to cache and scheduler alone, and to the errors of every package', () => {
    expect(Object.keys(octavo)).toEqual(
      expect.arrayContaining([
        'openEngine',
        'openEngineWith',
        'createKvCache',
        'checkKv',
        'createScheduler',
        'checkScheduler',
        'openText',
        'compileModel',
        'shippedModel',
        'EngineError',
        'GraphError',
        'KvError',
        'SchedulerError',
        'TextError',
      ]),
    );
    expect(Object.values(octavo)).not.toContain(undefined);
  });

  it('knows where the shipped model is', () => {
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'catalog.jsonl', 'eval.jsonl']) {
      expect(existsSync(join(octavo.shippedModel(), file))).toBe(true);
    }
  });
});
