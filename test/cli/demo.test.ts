import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { octavo, octavoJson, repository } from './octavo.testing.ts';

interface Numbers {
  readonly correctAnswers: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly computedTokens: number;
  readonly completionTokens: number;
  readonly hitRate: number;
  readonly peakPages: number;
}

interface Report {
  readonly questions: number;
  readonly products: number;
  readonly customers: number;
  readonly sharingOff: Numbers;
  readonly sharingOn: Numbers;
  readonly sameAnswers: boolean;
  readonly conversations: readonly object[];
}

describe('octavo demo', () => {
  it('answers as often right as the model card says, the same with sharing off and on, and the README shows it', async () => {
    const { questions, products, customers, sharingOff, sharingOn, sameAnswers, conversations } =
      await octavoJson<Report>(['demo']);
    expect({ questions, products, customers, sameAnswers }).toEqual({
      questions: 300,
      products: 60,
      customers: 16,
      sameAnswers: true,
    });
    // The card: 298 of 300; within 1 point.
    expect(Math.abs(sharingOn.correctAnswers - 298)).toBeLessThanOrEqual(3);
    expect(sharingOff.correctAnswers).toBe(sharingOn.correctAnswers);
    expect(sharingOff).toMatchObject({ cachedTokens: 0, hitRate: 0, computedTokens: sharingOff.promptTokens });
    expect(sharingOn.promptTokens).toBe(sharingOff.promptTokens);
    expect(sharingOn.cachedTokens + sharingOn.computedTokens).toBe(sharingOn.promptTokens);
    expect(sharingOn.hitRate).toBeGreaterThan(0.65);
    expect(sharingOn.peakPages).toBeGreaterThan(0);
    expect(conversations).toHaveLength(3);

    const readme = readFileSync(join(repository, 'README.md'), 'utf8');
    expect(readme).toMatch(
      new RegExp(`correct answers +${sharingOff.correctAnswers} of 300 +${sharingOn.correctAnswers} of 300`),
    );
    const prompts = sharingOff.promptTokens.toLocaleString('en-US');
    expect(readme).toMatch(new RegExp(`prompt tokens +${prompts} +${prompts}\n *computed tokens +${prompts} `));
  });

  it('prints lines of progress on standard error and a table on standard output for a person', async () => {
    const { status, stdout, stderr } = await octavo(['demo', '--questions', '30', '--customers', '4']);
    expect(status).toBe(0);
    expect(stderr.split('\n')).toContain('sharing on  30/30');
    expect(stdout).toContain('time to first token, p95');
    expect(stdout).toContain('Both runs gave the same answers, word for word.');
  });
});
