import { afterEach, describe, expect, test } from '@jest/globals';
import { compileModel } from '#libs/scoring/src/compile.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import { generatedHistory } from '../../../test/support/generated-history.js';
import { exactKernel, replayOutput } from './replay-kernel.js';
import { replayModel } from './replay-model.js';
import { ReplayThreads } from './replay-threads.js';
import { judged, scopeOf, type ReplayRequest } from './replay.js';

const model = compileModel(defaultModel, { modelId: 'default', version: 1 });
/** Several pieces of work. */
const history = generatedHistory({ leads: 20_000, stepsPerLead: 3 });
const request: ReplayRequest = {
  candidates: [
    { name: 'default', model },
    { name: 'undemanding', model: compileModel({ ...defaultModel, thresholds: { mql: { minTotal: 20 } } }, { modelId: 'u', version: 1 }) },
  ],
  window: { fromMs: Date.parse('2024-03-01'), toMs: Date.parse('2025-06-01') },
  label: 'sql',
  horizonDays: 90,
  asOfMs: Date.parse('2025-12-01'),
  by: ['source', 'team'],
  thresholds: [10, 60],
  listed: 3,
}; // prettier-ignore
const threads = new ReplayThreads();
afterEach(() => threads.close());

describe('replays in the background', () => {
  test('find what one finds who goes through the leads himself, and tell how far they are', async () => {
    const shares: number[] = [];
    const result = await threads.run(history, request, { progress: (share) => shares.push(share) });
    const outputs = request.candidates.map((candidate) => {
      const out = replayOutput(history.leads.count);
      exactKernel(replayModel(candidate.model, history), history)(0, history.leads.count, scopeOf(request), out);
      return out;
    });
    expect(result).toEqual(judged(history, request, outputs));
    expect(result.candidates[0]!.quality.flagged).toBeGreaterThan(100);
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
  });

  test('end when they are told to, and leave the next one nothing to clear up', async () => {
    const stop = new AbortController();
    const run = threads.run(history, request, { signal: stop.signal });
    setImmediate(() => stop.abort('enough'));
    await expect(run).rejects.toBe('enough');
    expect((await threads.run(history, request)).population.leads).toBeGreaterThan(10_000);
  });

  test('come one after the other', async () => {
    const [one, other] = await Promise.all([
      threads.run(history, request),
      threads.run(history, { ...request, listed: 0 }),
    ]);
    expect(other.population).toEqual(one.population);
  });
});
