import { describe, expect, it } from 'vitest';
import { PEER_NAMES, WEIGHT_BITS } from './peer.ts';
import { settingsOf } from './settings.ts';
import { peerTasks, type TaskName } from './tasks.ts';

const tasks = Object.keys(peerTasks(1_000, 'smoke')) as TaskName[];

describe('settingsOf', () => {
  it('has settings of both widths for every engine and task, each once', () => {
    expect(tasks.length).toBeGreaterThan(0);
    for (const peer of PEER_NAMES) {
      for (const task of tasks) {
        for (const weightBits of WEIGHT_BITS) {
          const settings = settingsOf(peer, task, weightBits);
          expect(settings.length).toBeGreaterThan(0);
          expect(settings.every((tried) => tried.weightBits === weightBits)).toBe(true);
          expect(new Set(settings.map((tried) => JSON.stringify(tried))).size).toBe(settings.length);
        }
      }
    }
  });
});
