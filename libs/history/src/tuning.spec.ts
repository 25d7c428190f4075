import { describe, expect, it } from '@jest/globals';
import { compileModel, DAY_S } from '#libs/scoring/src/compile.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import { isProtected } from '#libs/scoring/src/facts.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import { generatedHistory } from '../../../test/support/generated-history.js';
import { aucOfScores } from './auc.js';
import { ReplayThreads } from './replay-threads.js';
import { type NamedModel, tune, type TuningRequest } from './tune.js';

const history = generatedHistory({ leads: 24_000, seed: 7 });
/** For what does not take many leads. */
const small = generatedHistory({ leads: 6000, seed: 11 });
const captured = history.leads.capturedAtS.toSorted();
const first = captured[0]!;
const last = captured.at(-1)!;
const standard: NamedModel = {
  name: 'default 1',
  model: compileModel(defaultModel, { modelId: 'default', version: 1 }),
};
const request: TuningRequest = {
  name: 'Tuned',
  label: 'sql',
  horizonDays: 90,
  fromS: first,
  toS: last - 90 * DAY_S,
  asOfS: last + 1,
  testShare: 0.3,
  embargoDays: 90,
  halfLivesDays: [7, 14, 21, 30, 60],
  l2: null,
  excluded: [],
  flaggedShare: null,
};

describe('tuning on a past whose truth is known', () => {
  const result = tune(history, request, { active: standard, compareWith: [] });
  const [own, active] = result.models;

  it('ranks the held-out leads nearly as well as the truth itself, and better than the default model', () => {
    const { leads, trueLogit } = history;
    const { fromS, toS } = result.test;
    const inTest = Uint32Array.from(leads.capturedAtS.keys()).filter(
      (lead) => leads.capturedAtS[lead]! >= fromS && leads.capturedAtS[lead]! < toS,
    );
    const reached = inTest.map((lead) => {
      const sqlAtS = leads.sqlAtS[lead]!;
      return sqlAtS !== 0 && sqlAtS <= leads.capturedAtS[lead]! + 90 * DAY_S ? 1 : 0;
    });
    const oracle = aucOfScores(
      Float64Array.from(inTest, (lead) => trueLogit[lead]!),
      Uint8Array.from(reached),
    )!;
    expect(inTest.length).toBe(result.test.leads);
    expect(own!.auc! / oracle).toBeGreaterThanOrEqual(0.97);
    expect(own!.auc!).toBeGreaterThan(active!.auc!);
    expect(result.comparisons).toMatchObject([{ against: 'default 1', verdict: 'better' }]);
  });

  it('keeps the parts apart: what it was fitted to was known before the test begins', () => {
    expect(result.train.toS + 90 * DAY_S).toBeLessThanOrEqual(result.test.fromS);
    expect(result.train.immature).toBe(0);
    expect(result.train.positives).toBeGreaterThan(50);
  });

  it('answers a document that a team can check, edit and draft: rounded points, no person, no protected attribute', () => {
    const { document } = result;
    expect(checkScoringModel(JSON.parse(JSON.stringify(document)))).toEqual(document);
    const rules = [...document.fit, ...document.behaviour, ...document.penalty];
    expect(rules.length).toBeGreaterThan(10);
    for (const { points } of rules) expect(Number.isInteger(points * 2)).toBe(true);
    const fields = document.fit.flatMap(({ when }) => when.map(({ field }) => field));
    expect(fields.filter((field) => isProtected(field) || field === 'accountId')).toEqual([]);
    const ids = new Set(rules.map(({ id }) => id));
    // What the truth knows to matter most is there, what it knows not to matter is not.
    for (const id of ['demo_request', 'pricing_request', 'role_decision_maker', 'segment_competitor'])
      expect(ids).toContain(id);
    for (const rule of rules.filter(({ id }) => id.startsWith('captureMethod') || id.startsWith('country')))
      expect(Math.abs(rule.points)).toBeLessThan(8);
  });

  it('flags as many as the model in force does, and says of how many sales never decided', () => {
    expect(own!.quality.flagged / active!.quality.flagged).toBeGreaterThan(0.7);
    expect(own!.quality.flagged / active!.quality.flagged).toBeLessThan(1.4);
    expect(own!.quality.precision.rate!).toBeGreaterThan(active!.quality.precision.rate!);
    expect(result.neverDecided.denominator).toBeGreaterThanOrEqual(own!.quality.flagged);
    expect(result.neverDecided.numerator).toBeGreaterThan(0);
  });

  it('gives the same answer again', () => {
    const again = () => tune(small, { ...request, halfLivesDays: [14] }, { active: standard, compareWith: [] });
    expect(again()).toEqual(again());
  });

  it('leaves out what it is told to', () => {
    const { document } = tune(
      small,
      { ...request, excluded: ['role', 'demo_request'], halfLivesDays: [21] },
      { active: null, compareWith: [standard] },
    );
    const told = JSON.stringify(document);
    expect(told).not.toContain('role');
    expect(told).not.toContain('demo_request');
  });
});

describe('tuning where there is nothing to learn', () => {
  const coin = {
    ...small,
    leads: {
      ...small.leads,
      sqlAtS: small.leads.sqlAtS.map((_, lead) =>
        (lead * 2_654_435_761) % 97 < 10 ? small.leads.capturedAtS[lead]! + 60 : 0,
      ),
    },
  };

  it('says plainly that it does not beat the model in force, or that nothing tells the leads apart', () => {
    let says: string;
    try {
      says = tune(coin, { ...request, halfLivesDays: [14] }, { active: standard, compareWith: [] }).comparisons[0]!
        .says;
    } catch (error) {
      says = (error as Error).message;
    }
    expect(says).toMatch(/does NOT|nothing that is known tells the leads apart/);
  });

  it.each([
    ['no lead', { fromS: first - 2000 * DAY_S, toS: first - 1000 * DAY_S }],
    ['no positive', { horizonDays: 0.0001, embargoDays: 1 }],
    ['nothing left to train on', { embargoDays: 5000 }],
  ])('refuses %s with TOO_FEW_EXAMPLES', (_, change) => {
    expect(() => tune(history, { ...request, ...change }, { active: standard, compareWith: [] })).toThrow(
      expect.objectContaining({ code: 'TOO_FEW_EXAMPLES' }),
    );
  });
});

describe('tuning for who asks', () => {
  const few = { ...request, halfLivesDays: [14] };
  const threads = new ReplayThreads();

  it('answers what the fit makes', async () => {
    const others = { active: standard, compareWith: [] };
    const answer = await threads.tune(small, few, others, {});
    expect(answer).toEqual(tune(small, few, others));
  });

  it('tells a refusal as one, and stops when told to', async () => {
    const others = { active: null, compareWith: [] };
    const refused = threads.tune(history, { ...few, embargoDays: 5000 }, others);
    await expect(refused).rejects.toMatchObject({ code: 'TOO_FEW_EXAMPLES' });
    const stopped = threads.tune(history, few, others, { signal: AbortSignal.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
  });
});
