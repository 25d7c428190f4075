import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Behaviours } from '#libs/scoring/src/behaviours.js';
import { compileModel, type CompiledModel } from '#libs/scoring/src/compile.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import type { Facts } from '#libs/scoring/src/facts.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import { evaluate, reachesMql } from '#libs/scoring/src/score.js';
import { generatedHistory } from '../../../test/support/generated-history.js';
import { exactKernel, fastKernel, isIn, replayOutput } from './replay-kernel.js';
import { GRADE_CODES, replayModel, type ReplayOutput, type ReplayScope } from './replay-model.js';
import { ALL_GATES, EVALUATED, STEP, STEP_MASK, type ScoringHistory } from './scoring-history.js';
import { CAPTURED_S, historyOf, type ToldLead } from '../../../test/support/told-history.js';

const DAY_S = 86_400;
const EVER: ReplayScope = { fromS: 0, toS: 4_000_000_000, asOfS: 4_000_000_000 };

function replayed(
  kernel: typeof exactKernel,
  model: CompiledModel,
  history: ScoringHistory,
  scope: ReplayScope = EVER,
): ReplayOutput {
  const out = replayOutput(history.leads.count);
  kernel(replayModel(model, history), history)(0, history.leads.count, scope, out);
  return out;
}

/** Step by step with what libs/scoring evaluates live leads with. */
function oracle(model: CompiledModel, history: ScoringHistory, scope: ReplayScope): ReplayOutput {
  const { leads, profiles, steps, variants } = history;
  const out = replayOutput(leads.count);
  const factsOf = (profile: number): Facts =>
    Object.fromEntries(
      Object.entries(profiles.fields).flatMap(([field, codes]) => {
        const value = profiles.values[field as keyof typeof profiles.values][codes[profile]!];
        return value === undefined ? [] : [[field, value]];
      }),
    );
  for (let lead = 0; lead < leads.count; lead++) {
    if (!isIn(scope, leads, lead)) continue;
    let behaviours = new Behaviours();
    let facts: Facts = {};
    let gates = ALL_GATES;
    let atS = 0;
    for (let step = leads.firstStep[lead]!; step < leads.cutStep[lead]! && steps.atS[step]! <= scope.asOfS; step++) {
      atS = steps.atS[step]!;
      const value = steps.value[step]!;
      const kind = steps.kind[step]! & STEP_MASK;
      if (kind === STEP.behaviour) {
        const { count, kind: of, more } = variants[value]!;
        const occurredAtS = steps.occurredAtS[step]!;
        const one = { eventId: String(step), kind: of, occurredAtS, availableAtS: atS, count };
        behaviours = behaviours.with(more === undefined ? one : { ...one, more });
      } else if (kind === STEP.facts) facts = factsOf(value);
      else if (kind === STEP.gates) gates = value;
      else if (kind === STEP.returned) behaviours = behaviours.with({ eventId: String(step), kind: 'returned' });
      else behaviours = new Behaviours();
      if ((steps.kind[step]! & EVALUATED) === 0 || gates !== ALL_GATES) continue;
      const score = evaluate(model, { facts, behaviours }, atS);
      if (!reachesMql(model, { ...score, total: Infinity })) continue;
      out.maxMp[lead] = Math.max(out.maxMp[lead]!, score.total);
      if (!reachesMql(model, score) || out.crossedAtS[lead] !== 0) continue;
      out.crossedAtS[lead] = atS;
      out.crossedStep[lead] = step;
      out.crossedMp[lead] = score.total;
      out.crossedGrade[lead] = GRADE_CODES.indexOf(score.grade);
    }
    const atCut = evaluate(model, { facts, behaviours }, atS);
    out.cutMp[lead] = atCut.total;
    out.cutGrade[lead] = GRADE_CODES.indexOf(atCut.grade);
  }
  return out;
}

// ---- random models and pasts

const points = (min: number, max: number) => fc.integer({ min: min * 1000, max: max * 1000 }).map((mp) => mp / 1000);
const kinds = ['page_view', 'pricing_page', 'guide', 'reply', 'bounce'] as const;
const where = fc.oneof(
  fc.constant([]),
  fc.constantFrom(
    [{ field: 'topicCode', equals: 'a' }],
    [{ field: 'topicCode', missing: true as const }],
    [{ field: 'count', gte: 2 }],
    [{ field: 'sentiment', notIn: ['opt_out'] }],
  ),
);
const capOf = (given: fc.Arbitrary<number>) => fc.option(given, { nil: undefined });
const halfLife = fc.constantFrom(null, 0.001, 1, 14, 14, 30.5);
const models = fc
  .record({
    fit: fc.array(
      fc.record({
        when: fc.constantFrom(
          [{ field: 'role', equals: 'user' }],
          [{ field: 'country', in: ['DE', 'FR'] }],
          [{ field: 'country', missing: true }],
          [{ field: 'firmographics.employees', gte: 10, lt: 500 }],
          [
            { field: 'role', equals: 'user' },
            { field: 'country', notIn: ['FR'] },
          ],
        ),
        points: points(-20, 30),
      }),
      { maxLength: 4 },
    ),
    behaviour: fc.array(
      fc.record({ on: fc.constantFrom(...kinds), where, points: points(0.001, 40), cap: capOf(points(0.5, 60)), halfLifeDays: halfLife }), // prettier-ignore
      { minLength: 1, maxLength: 8 },
    ),
    penalty: fc.array(
      fc.record({ on: fc.constantFrom(...kinds), where, points: points(-40, -0.001), cap: capOf(points(0.5, 60)) }),
      { maxLength: 3 },
    ),
    fitRange: fc.option(fc.constant({ min: -10, max: 25 }), { nil: undefined }),
    engagementRange: fc.option(fc.constantFrom({ min: 0, max: 40 }, { min: 5, max: 1000 }, { min: -7, max: 12.345 }), { nil: undefined }), // prettier-ignore
    mql: fc.record({
      minTotal: points(0, 60),
      minGrade: fc.option(fc.constantFrom('A', 'B', 'C', 'D'), { nil: undefined }),
      minFit: fc.option(points(-5, 10), { nil: undefined }),
    }),
    onRecycled: fc.constantFrom('keep', 'reset_engagement'),
  })
  .map(({ behaviour, fit, mql, penalty, ...rest }) =>
    compileModel(
      checkScoringModel({
        name: 'random',
        fit: fit.map((rule, n) => ({ id: `f${n}`, ...rule })),
        behaviour: behaviour.map((rule, n) => ({ id: `b${n}`, ...rule })),
        penalty: penalty.map((rule, n) => ({ id: `p${n}`, halfLifeDays: null, ...rule })),
        grades: { A: 20, B: 10, C: 0 },
        bands: { warm: 20, hot: 40 },
        thresholds: { mql },
        ...rest,
      }),
      { modelId: 'random', version: 1 },
    ),
  );

/** Whole half-lives, among others: there totals lie exactly between two milli-points. */
const gapS = fc.oneof(
  fc.constantFrom(0, 0, 1, DAY_S, 7 * DAY_S, 14 * DAY_S, 140 * DAY_S),
  fc.integer({ min: 0, max: 60 * DAY_S }),
);
const maybeBackS = fc.oneof({ weight: 9, arbitrary: gapS }, { weight: 1, arbitrary: gapS.map((seconds) => -seconds) });
const step = fc.record({
  kind: fc.constantFrom(...Array.from({ length: 7 }, () => STEP.behaviour), STEP.facts, STEP.gates, STEP.returned, STEP.restated), // prettier-ignore
  marks: fc.constantFrom(0, EVALUATED, EVALUATED),
  gapS: maybeBackS,
  lateS: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: gapS }),
  behaviour: fc.record({
    kind: fc.constantFrom(...kinds),
    count: fc.constantFrom(1, 1, 1, 2, 1000),
    more: fc.constantFrom(undefined, { topicCode: 'a' }, { topicCode: 'b', sentiment: 'opt_out' }),
  }),
  facts: fc.constantFrom<Facts>(
    {},
    { role: 'user' },
    { country: 'DE' },
    { role: 'user', country: 'FR', 'firmographics.employees': 40 },
  ),
  gates: fc.constantFrom(ALL_GATES, ALL_GATES, 7, 14, 0),
});
const leads: fc.Arbitrary<ToldLead[]> = fc.array(
  fc.record({
    steps: fc.array(step, { maxLength: 25 }),
    cut: fc.option(fc.nat({ max: 25 }), { nil: undefined }),
    isMergedAway: fc.constantFrom(false, false, false, true),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('a replay', () => {
  test('scores every lead as the ledger would have, to the milli-point, whatever the model and the past', () => {
    fc.assert(
      fc.property(models, leads, fc.option(fc.nat({ max: 200 }), { nil: undefined }), (model, told, days) => {
        const history = historyOf(told);
        const scope = days === undefined ? EVER : { ...EVER, asOfS: CAPTURED_S + days * DAY_S };
        const right = oracle(model, history, scope);
        expect(replayed(exactKernel, model, history, scope)).toEqual(right);
        expect(replayed(fastKernel, model, history, scope)).toEqual(right);
      }),
      { numRuns: 400 },
    );
  });

  test('of many generated leads is the same fast and exactly', () => {
    const model = compileModel(defaultModel, { modelId: 'default', version: 1 });
    const history = generatedHistory({ leads: 3000, seed: 7 });
    const exact = replayed(exactKernel, model, history);
    expect(replayed(fastKernel, model, history)).toEqual(exact);
    const flagged = exact.crossedAtS.filter((atS) => atS !== 0).length;
    expect(flagged).toBeGreaterThan(100);
    expect(flagged).toBeLessThan(2000);
  });

  test('leaves a total exactly between two milli-points to the exact arithmetic', () => {
    const model = compileModel(
      checkScoringModel({
        ...defaultModel,
        thresholds: { mql: { minTotal: 0.063 } },
        behaviour: [{ id: 'guide', on: 'guide', points: 1, halfLifeDays: 14 }],
      }),
      { modelId: 'm', version: 1 },
    );
    // Four half-lives old: 62.5 milli-points, which is 63.
    const history = historyOf([
      { steps: [{ kind: STEP.behaviour, marks: EVALUATED, gapS: 0, lateS: 56 * DAY_S, behaviour: { kind: 'guide', count: 1 }, facts: {}, gates: 15 }] }, // prettier-ignore
    ]);
    const out = replayed(fastKernel, model, history);
    expect([out.maxMp[0], out.crossedMp[0], out.crossedAtS[0]]).toEqual([63, 63, CAPTURED_S]);
  });

  test('of a model with more rules than a generated function takes is the exact one', () => {
    const rules = Array.from({ length: 60 }, (_, n) => ({ id: `r${n}`, on: 'guide', points: 1 + n, cap: 500, halfLifeDays: 14 })); // prettier-ignore
    const model = compileModel(checkScoringModel({ ...defaultModel, behaviour: rules }), { modelId: 'm', version: 1 });
    const history = generatedHistory({ leads: 200, seed: 3 });
    expect(replayed(fastKernel, model, history)).toEqual(replayed(exactKernel, model, history));
  });
});
