import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rate } from '#libs/read-models/src/figures.js';
import { wilson } from '#libs/read-models/src/score-quality.js';
import { compileModel } from '#libs/scoring/src/compile.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import { CAPTURED_S, historyOf, type ToldLead } from '../../../test/support/told-history.js';
import { fastKernel, replayOutput } from './replay-kernel.js';
import { replayModel } from './replay-model.js';
import { judged, modelDigest, scopeOf, toldResult, type ReplayRequest, type ReplayResult } from './replay.js';
import { EVALUATED, LEAD_FLAGS, STEP, type ScoringHistory } from './scoring-history.js';

const DAY_S = 86_400;
const HORIZON_DAYS = 30;

/** Points for demos only, undecayed: a lead's greatest total is ten times its demos. */
const modelOf = (minTotal: number, on = 'demo_request') =>
  compileModel(
    checkScoringModel({
      name: 'What if',
      fit: [{ id: 'role', when: [{ field: 'role', equals: 'user' }], points: 0 }],
      behaviour: [{ id: on, on, points: 10, halfLifeDays: null }],
      grades: { A: 3, B: 2, C: 1 },
      bands: { warm: 10, hot: 20 },
      thresholds: { mql: { minTotal } },
    }),
    { modelId: 'candidate', version: 1 },
  );

const behaviour = (kind: 'demo_request' | 'page_view', gapS: number) => ({
  kind: STEP.behaviour,
  marks: EVALUATED,
  gapS,
  lateS: 0,
  facts: {},
  gates: 15,
  behaviour: { kind, count: 1 },
});

function resultOf(history: ScoringHistory, request: Partial<ReplayRequest> = {}): ReplayResult {
  const full: ReplayRequest = {
    candidates: [{ name: 'candidate', model: modelOf(10) }],
    window: { fromMs: CAPTURED_S * 1000, toMs: (CAPTURED_S + 400 * DAY_S) * 1000 },
    label: 'sql',
    horizonDays: HORIZON_DAYS,
    asOfMs: (CAPTURED_S + 500 * DAY_S) * 1000,
    by: ['source'],
    thresholds: null,
    listed: 10,
    ...request,
  };
  const outputs = full.candidates.map(({ model }) => {
    const out = replayOutput(history.leads.count);
    fastKernel(replayModel(model, history), history)(0, history.leads.count, scopeOf(full), out);
    return out;
  });
  return toldResult(judged(history, full, outputs), history.leads.leadIds, () => 2);
}

/** Five leads of which the first and the third became true; the live model marked the first, the second and the fourth. */
const five = historyOf([
  { steps: [behaviour('page_view', 0), behaviour('demo_request', DAY_S)], markedAfterS: 3 * DAY_S, sqlAfterS: 9 * DAY_S, source: 'fair' },
  { steps: [behaviour('page_view', 0)], markedAfterS: 0, source: 'fair' },
  { steps: [behaviour('demo_request', 0)], sqlAfterS: 20 * DAY_S, source: 'web' },
  { steps: [behaviour('page_view', 0)], markedAfterS: 60 },
  { steps: [] },
]); // prettier-ignore

describe('a what-if of five leads', () => {
  test('finds what the specification has worked out', () => {
    const { actual, candidates, population } = resultOf(five);
    expect(population).toEqual({ leads: 5, judged: 5, immature: 0, undecided: 0 });
    const [{ quality }] = candidates as [ReplayResult['candidates'][number]];
    expect([quality.precision.rate, quality.recall.rate, quality.lift]).toEqual([1, 1, 2.5]);
    expect([quality.tp, quality.fp, quality.fn, quality.tn, quality.f1]).toEqual([2, 0, 0, 3, 1]);
    const live = actual.quality;
    expect([live.precision.rate, live.recall.rate, live.lift]).toEqual([0.333333, 0.5, 0.833333]);
  });

  test('names who is gained and who is lost, when and why, and how much earlier the others would have been marked', () => {
    const [{ changes }] = resultOf(five).candidates as [ReplayResult['candidates'][number]];
    const [{ against, gained, lost, shift }] = changes as [(typeof changes)[number]];
    expect([against, gained.leads, gained.positives, lost.leads, lost.negatives]).toEqual(['actual', 1, 1, 2, 2]);
    expect(gained.listed).toEqual([
      { leadId: 'lead-3', at: '2026-01-01T00:00:00.000Z', outcome: 'positive', total: 10_000, grade: 'U', band: 'warm', maxTotal: 10_000, because: [{ ruleId: 'demo_request', mp: 10_000 }] },
    ]); // prettier-ignore
    expect(lost.listed.map(({ leadId, maxTotal, outcome }) => [leadId, outcome, maxTotal])).toEqual([
      ['lead-2', 'negative', 0],
      ['lead-4', 'negative', 0],
    ]);
    expect(shift).toEqual({ leads: 1, p10: -2, median: -2, p90: -2 });
  });

  test('counts the flagged of each week against what sales can take', () => {
    const [{ volume }] = resultOf(five).candidates as [ReplayResult['candidates'][number]];
    // 2026-01-01 was a Thursday.
    expect(volume.weeks).toEqual([{ week: '2025-12-29', flagged: 2, capacity: 2, overflow: 0 }]);
    const busy = historyOf(Array.from({ length: 5 }, () => ({ steps: [behaviour('demo_request', 0)] })));
    expect(resultOf(busy).candidates[0]!.volume).toMatchObject({ flagged: 5, overflow: 3, impliedBreachShare: 0.6 });
  });

  test('compares candidates with each other', () => {
    const request = { candidates: [{ name: 'demos', model: modelOf(10) }, { name: 'pages', model: modelOf(10, 'page_view') }] }; // prettier-ignore
    const [, pages] = resultOf(five, request).candidates;
    expect(pages!.changes.map(({ against, gained, lost }) => [against, gained.leads, lost.leads])).toEqual([
      ['actual', 0, 0],
      ['demos', 2, 1],
    ]);
  });

  test('says what nothing can be said about, and has no figure that is no number', () => {
    const none = resultOf(five, { window: { fromMs: 0, toMs: 1 } });
    expect([none.flags, none.population.leads]).toEqual([['NO_LEADS'], 0]);
    const noneWon = resultOf(five, { label: 'won' });
    expect(noneWon.flags).toEqual(['NO_POSITIVES']);
    const [{ auc, quality }] = noneWon.candidates as [ReplayResult['candidates'][number]];
    expect([auc, quality.lift, quality.recall.rate, quality.recall.interval, quality.precision.rate]).toEqual([null, null, null, null, 0]); // prettier-ignore
    const strict = resultOf(five, { candidates: [{ name: 'strict', model: modelOf(1000) }] });
    expect([strict.candidates[0]!.flags, strict.candidates[0]!.quality.precision.rate]).toEqual([['NOTHING_FLAGGED'], null]); // prettier-ignore
    const young = resultOf(five, { label: 'won', asOfMs: (CAPTURED_S + DAY_S) * 1000 });
    expect([young.flags, young.population]).toEqual([['NO_MATURE_LEADS'], { leads: 5, judged: 0, immature: 5, undecided: 0 }]); // prettier-ignore
    for (const result of [none, noneWon, strict, young]) expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  test('knows a model again, however its document is ordered', () => {
    const { document } = modelOf(10);
    const turned = Object.fromEntries(Object.entries(document).toReversed()) as typeof document;
    expect(modelDigest(turned)).toBe(modelDigest(document));
    expect(modelDigest(modelOf(11).document)).not.toBe(modelDigest(document));
  });
});

// ---- against a slow way to count

const days = (most: number) => fc.option(fc.integer({ min: 0, max: most * 24 }).map((hours) => hours * 3600), { nil: undefined }); // prettier-ignore
const toldLead: fc.Arbitrary<ToldLead> = fc.record({
  capturedAtS: fc.nat({ max: 100 }).map((day) => CAPTURED_S + day * DAY_S),
  steps: fc.array(fc.integer({ min: 0, max: 72 }).map((hours) => behaviour('demo_request', hours * 3600)), { maxLength: 5 }), // prettier-ignore
  markedAfterS: days(40),
  acceptedAfterS: days(60),
  rejectedAfterS: days(60),
  sqlAfterS: days(60),
  wonAfterS: days(60),
  isMergedAway: fc.constantFrom(false, false, false, true),
  source: fc.constantFrom('web', 'fair', 'mail'),
});
const requests = fc.record({
  label: fc.constantFrom('accepted' as const, 'sql' as const, 'won' as const),
  asOfDays: fc.constantFrom(40, 80, 500),
  minTotal: fc.constantFrom(10, 20, 30),
  fromDay: fc.nat({ max: 30 }),
});

describe('the figures of a what-if', () => {
  test('are those that one gets by counting leads one by one', () => {
    fc.assert(
      fc.property(fc.array(toldLead, { maxLength: 40 }), requests, (told, { asOfDays, fromDay, label, minTotal }) => {
        const asOfS = CAPTURED_S + asOfDays * DAY_S;
        const fromS = CAPTURED_S + fromDay * DAY_S;
        const thresholds = [0, 5, 10, 20, 25, 30, 60];
        const result = resultOf(historyOf(told), {
          label,
          thresholds,
          asOfMs: asOfS * 1000,
          candidates: [{ name: 'one', model: modelOf(minTotal) }],
          window: { fromMs: fromS * 1000, toMs: (CAPTURED_S + 90 * DAY_S) * 1000 },
        });

        const leads = told.flatMap((lead) => {
          const { capturedAtS = 0, isMergedAway, steps } = lead;
          if (isMergedAway === true || capturedAtS < fromS || capturedAtS >= CAPTURED_S + 90 * DAY_S) return [];
          const since = (seconds: number | undefined) =>
            seconds === undefined || capturedAtS + seconds > asOfS ? Infinity : capturedAtS + seconds;
          let atS = capturedAtS;
          const seen = steps.map(({ gapS }) => (atS += gapS)).filter((instant) => instant <= asOfS);
          const [accepted, rejected] = [since(lead.acceptedAfterS), since(lead.rejectedAfterS)];
          const endS = capturedAtS + HORIZON_DAYS * DAY_S;
          const reached =
            label === 'accepted'
              ? accepted <= rejected ? accepted : Infinity
              : since(label === 'sql' ? lead.sqlAfterS : lead.wonAfterS); // prettier-ignore
          const isTrue = reached <= endS && reached !== Infinity;
          const unknown = label === 'accepted' ? Math.min(accepted, rejected) === Infinity : !isTrue && endS > asOfS;
          const max = seen.length === 0 ? null : seen.length * 10;
          const marked = since(lead.markedAfterS);
          return [{ isTrue, unknown, max, at: seen[minTotal / 10 - 1], marked, source: lead.source! }];
        });
        const counted = leads.filter(({ unknown }) => !unknown);
        expect(result.population.leads).toBe(leads.length);
        expect(result.population.immature + result.population.undecided).toBe(leads.length - counted.length);

        const quality = (some: typeof counted, isFlagged: (lead: (typeof counted)[number]) => boolean) => {
          const count = (flagged: boolean, isTrue: boolean) =>
            some.filter((lead) => isFlagged(lead) === flagged && lead.isTrue === isTrue).length;
          const [tp, fp, fn, tn] = [count(true, true), count(true, false), count(false, true), count(false, false)];
          return {
            leads: some.length, flagged: tp + fp, positives: tp + fn, tp, fp, fn, tn,
            precision: { numerator: tp, denominator: tp + fp, rate: rate(tp, tp + fp), interval: wilson(tp, tp + fp) },
            recall: { numerator: tp, denominator: tp + fn, rate: rate(tp, tp + fn), interval: wilson(tp, tp + fn) },
            baseRate: { numerator: tp + fn, denominator: some.length, rate: rate(tp + fn, some.length), interval: wilson(tp + fn, some.length) },
            f1: rate(2 * tp, 2 * tp + fp + fn),
            lift: rate(tp * some.length, (tp + fp) * (tp + fn)),
          }; // prettier-ignore
        };
        const flagged = ({ at }: (typeof counted)[number]) => at !== undefined;
        const marked = (lead: (typeof counted)[number]) => lead.marked !== Infinity;
        const [candidate] = result.candidates as [ReplayResult['candidates'][number]];
        expect(candidate.quality).toEqual(quality(counted, flagged));
        expect(result.actual.quality).toEqual(quality(counted, marked));
        const [split] = candidate.splits as [(typeof candidate.splits)[number]];
        expect(split.segments.reduce((sum, { candidate: own }) => sum + own.leads, 0)).toBe(counted.length);
        for (const { actual, candidate: own, value } of split.segments) {
          const some = counted.filter(({ source }) => source === value);
          expect([own, actual]).toEqual([quality(some, flagged), quality(some, marked)]);
        }

        for (const row of candidate.sweep) {
          const { f1, flagged: flags, lift, precision, recall, tp } = quality(counted, ({ max }) => max !== null && max >= row.minTotal); // prettier-ignore
          expect(row).toEqual({ minTotal: row.minTotal, flagged: flags, tp, precision: precision.rate, recall: recall.rate, f1, lift }); // prettier-ignore
        }
        expect(candidate.sweep.map((row) => row.minTotal)).toEqual(thresholds);

        const [came, not] = [true, false].map((isTrue) => counted.filter((lead) => lead.isTrue === isTrue).map(({ max }) => max ?? -1)); // prettier-ignore
        let better = 0;
        for (const one of came!) for (const other of not!) better += one > other ? 1 : one === other ? 0.5 : 0;
        const pairs = came!.length * not!.length;
        if (pairs === 0) expect(candidate.auc).toBeNull();
        else expect(candidate.auc).toBeCloseTo(better / pairs, 5);
        expect(candidate.deciles.reduce((sum, { positives }) => sum + positives.denominator, 0)).toBe(counted.length);
        expect(candidate.deciles.reduce((sum, { positives }) => sum + positives.numerator, 0)).toBe(came!.length);

        const [{ gained, lost, shift }] = candidate.changes as [(typeof candidate.changes)[number]];
        expect(gained.leads).toBe(leads.filter((lead) => flagged(lead) && !marked(lead)).length);
        expect(lost.leads).toBe(leads.filter((lead) => !flagged(lead) && marked(lead)).length);
        const shifts = leads.filter((lead) => flagged(lead) && marked(lead)).map((lead) => (lead.at! - lead.marked) / DAY_S).sort((a, b) => a - b); // prettier-ignore
        expect(shift.leads).toBe(shifts.length);
        if (shifts.length > 0) expect(shift.median).toBeCloseTo(shifts[Math.ceil(shifts.length / 2) - 1]!, 4);

        const perWeek = new Map<string, number>();
        for (const { at } of leads) {
          if (at === undefined) continue;
          const day = new Date(at * 1000);
          day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
          const week = day.toISOString().slice(0, 10);
          perWeek.set(week, (perWeek.get(week) ?? 0) + 1);
        }
        const weeks = candidate.volume.weeks.filter((week) => week.flagged > 0);
        expect(new Map(weeks.map((week) => [week.week, week.flagged]))).toEqual(perWeek);
        const overflow = [...perWeek.values()].reduce((sum, count) => sum + Math.max(0, count - 2), 0);
        expect(candidate.volume.overflow ?? 0).toBe(overflow);
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      }),
      { numRuns: 120 },
    );
  });

  test('tell automatic marks from those by hand', () => {
    const history = historyOf([
      { steps: [], markedAfterS: 5 },
      { steps: [], markedAfterS: 6 },
    ]);
    history.leads.flags[1] = LEAD_FLAGS.markedAutomatically;
    const { actual } = resultOf(history);
    expect([actual.quality.flagged, actual.automatic.flagged]).toEqual([2, 1]);
  });
});
