/** Agents: conversations that share a system prompt, answer, and then fork into branches that each go their own way. */

import { joined, seededIds } from '../token-ids.ts';
import { eachInFlight, type Workload } from './workload.ts';

export interface AgentsSize {
  readonly conversations: number;
  readonly branches: number;
  readonly systemTokens: number;
  readonly taskTokens: number;
  /** Of every branch's own instruction. */
  readonly branchTokens: number;
  readonly newTokens: number;
}

export const agentsSize: AgentsSize = {
  conversations: 8,
  branches: 4,
  systemTokens: 256,
  taskTokens: 256,
  branchTokens: 32,
  newTokens: 32,
};

/** A conversation is two turns: the task with its answer, then task + answer + instruction on every branch at once. */
export function agents(size: AgentsSize, vocabulary: number): Workload {
  const system = seededIds(11, size.systemTokens, vocabulary);
  const conversations = Array.from({ length: size.conversations }, (_, index) => index);
  return {
    name: 'agents',
    about:
      `${size.conversations} conversations (system ${size.systemTokens} + task ${size.taskTokens} tokens, ${size.newTokens} new) that fork ` +
      `${size.branches} ways each (+ ${size.branchTokens} tokens, ${size.newTokens} new)`,
    requests: size.conversations * (1 + size.branches),
    serve: (ask) =>
      eachInFlight(conversations, size.conversations, async (conversation) => {
        const task = joined([system, seededIds(3_000 + conversation, size.taskTokens, vocabulary)]);
        const { ids: answer } = await ask({ ids: task, maxTokens: size.newTokens });
        await Promise.all(
          Array.from({ length: size.branches }, (_, branch) => {
            const own = seededIds(4_000 + conversation * size.branches + branch, size.branchTokens, vocabulary);
            return ask({ ids: joined([task, answer, own]), maxTokens: size.newTokens });
          }),
        );
      }),
  };
}
