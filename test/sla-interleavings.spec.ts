import { describe, expect, it } from '@jest/globals';
import { careless, runSlaInterleavings } from './support/sla-interleavings.js';

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);

/** `npm run faults -- sla-interleavings` does a thousand and more. */
describe('two sweepers and a racing acceptance', () => {
  it('never breach twice and never lose a breach, in any order', async () => {
    const { failures, outcomes, retracted } = await runSlaInterleavings(seeds(1, 200));
    expect(failures).toEqual([]);
    // The seeds do reach the corners: kept, broken, refused, and retracted by late evidence.
    expect(Math.min(outcomes.met, outcomes.late, outcomes.conflict, retracted)).toBeGreaterThan(0);
  }, 120_000);

  it('do breach twice on a log that checks neither revisions nor ids', async () => {
    const { failures } = await runSlaInterleavings(seeds(1, 40), careless);
    expect(failures.join('\n')).toContain('breaches of one promise');
  }, 60_000);
});
