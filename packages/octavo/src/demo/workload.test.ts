import { describe, expect, it } from 'vitest';
import { shippedModel } from '../shipped-model.ts';
import { inArrivalOrder, readWorkload, systemPrompt } from './workload.ts';

describe('the shipped workload', () => {
  it('is 300 questions about the 60 products of the catalog, asked with the system prompt of the card', async () => {
    const { products, questions } = await readWorkload(shippedModel());
    expect(products).toHaveLength(60);
    expect(questions).toHaveLength(300);
    const prompts = new Map(products.map((product) => [product.id, systemPrompt(product)]));
    for (const { product, messages } of questions) {
      expect(messages[0]).toEqual({ role: 'system', content: prompts.get(product) });
    }
  });

  it('arrives in an order that mixes the products, the same for the same seed', async () => {
    const { questions } = await readWorkload(shippedModel());
    const order = inArrivalOrder(questions, 1).map(({ id }) => id);
    expect(inArrivalOrder(questions, 1).map(({ id }) => id)).toEqual(order);
    expect(inArrivalOrder(questions, 2).map(({ id }) => id)).not.toEqual(order);
    expect([...order].sort()).toEqual(questions.map(({ id }) => id));
    const firstProducts = new Set(
      inArrivalOrder(questions, 1)
        .slice(0, 16)
        .map(({ product }) => product),
    );
    expect(firstProducts.size).toBeGreaterThan(8);
  });
});
