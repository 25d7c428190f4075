import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Behaviours, type Behaviour } from './behaviours.js';
import { compileModel, type CompiledModel } from './compile.js';
import { defaultModel } from './default-model.js';
import type { Facts, ScoredKind } from './facts.js';
import { checkScoringModel, type ScoringModelDocument } from './model.js';
import { coolsAtS, evaluate, explain, reachesMql, reachesPql, topContributions } from './score.js';

const DAY_S = 86_400;
const NOW_S = 1_772_445_600;
const compiled = (document: Partial<ScoringModelDocument> = {}): CompiledModel =>
  compileModel(checkScoringModel({ ...defaultModel, ...document }), { modelId: 'm', version: 1 });
const DEFAULT = compiled();

let eventNo = 0;
const behaviour = (kind: ScoredKind, daysAgo = 0, more: Partial<Behaviour> = {}): Behaviour => ({
  eventId: `e${++eventNo}`,
  kind,
  occurredAtS: NOW_S - daysAgo * DAY_S,
  availableAtS: NOW_S - daysAgo * DAY_S,
  count: 1,
  ...more,
});
const after = (...all: Behaviour[]): Behaviours => all.reduce((log, one) => log.with(one), new Behaviours());
const scored = (facts: Facts, ...all: Behaviour[]) => ({ facts, behaviours: after(...all) });
const scoreOf = (facts: Facts, ...all: Behaviour[]) => evaluate(DEFAULT, scored(facts, ...all), NOW_S);

describe('the default model (spec §5.2)', () => {
  it('decays by half every 14 days: 8 points after 28 days are 2', () => {
    expect(scoreOf({}, behaviour('guide', 28)).total).toBe(2000);
    expect(scoreOf({}, behaviour('guide', 14)).total).toBe(4000);
  });

  it.each<[ScoredKind, number]>([
    ['page_view', 1],
    ['email_open', 1],
    ['email_click', 3],
    ['newsletter_subscribed', 3],
    ['guide', 8],
    ['whitepaper', 8],
    ['webinar_registered', 5],
    ['webinar_attended', 10],
    ['case_study', 15],
    ['pricing_page', 10],
    ['product_demo_attended', 20],
    ['demo_request', 30],
    ['pricing_request', 30],
    ['contact_sales_request', 40],
    ['trial_started', 25],
    ['product_action', 10],
    ['upgrade_enquiry', 25],
    ['unsubscribe', -25],
    ['bounce', -15],
    ['complaint', -50],
  ])('%s is worth %d', (kind, points) => {
    expect(scoreOf({}, behaviour(kind)).total).toBe(points * 1000);
  });

  it('a reply is worth 15 unless it says stop', () => {
    expect(scoreOf({}, behaviour('reply', 0, { more: { sentiment: 'neutral' } })).total).toBe(15_000);
    expect(scoreOf({}, behaviour('reply', 0, { more: { sentiment: 'opt_out' } })).total).toBe(0);
  });

  it('caps what repetition brings: pages 5, mails 3, prices 30', () => {
    expect(scoreOf({}, behaviour('page_view', 0, { count: 40 })).total).toBe(5000);
    expect(scoreOf({}, ...Array.from({ length: 9 }, () => behaviour('email_open'))).total).toBe(3000);
    expect(scoreOf({}, behaviour('pricing_page', 0, { count: 4 })).total).toBe(30_000);
  });

  it('never lets penalties decay', () => {
    expect(scoreOf({}, behaviour('unsubscribe', 700))).toMatchObject({
      total: -25_000,
      penalties: -25_000,
      band: 'cold',
    });
  });

  it('grades what is known of role and company, and U when neither is', () => {
    expect(scoreOf({ country: 'DE', emailKind: 'company' }).grade).toBe('U');
    expect(scoreOf({ role: 'gatekeeper' }).grade).toBe('D');
    expect(scoreOf({ role: 'decision_maker' }).grade).toBe('C');
    const company: Facts = { 'icp.industry': 'pass', 'icp.annualRevenue': 'pass', 'icp.employees': 'pass' };
    expect(scoreOf({ role: 'user', ...company })).toMatchObject({ fit: 30_000, grade: 'B' });
    expect(scoreOf({ role: 'decision_maker', ...company }).grade).toBe('A');
    expect(scoreOf({ 'firmographics.industry': 'steel' }).grade).toBe('D');
  });

  it('clamps fit to -50 and 60', () => {
    const best: Facts = {
      role: 'decision_maker',
      'icp.industry': 'pass',
      'icp.annualRevenue': 'pass',
      'icp.employees': 'pass',
      'icp.region': 'pass',
      personaMatched: true,
      'qualification.budget': 'yes',
      'qualification.need': 'yes',
    };
    expect(scoreOf(best).fit).toBe(60_000);
    const worst: Facts = {
      segment: 'competitor',
      emailKind: 'free',
      'icp.employees': 'fail',
      'firmographics.employees': 3,
    };
    expect(scoreOf(worst).fit).toBe(-50_000);
  });

  it('is cold below 30, warm to 60, hot from 60 on', () => {
    expect(scoreOf({}, behaviour('trial_started')).band).toBe('cold');
    expect(scoreOf({}, behaviour('demo_request')).band).toBe('warm');
    expect(scoreOf({}, behaviour('demo_request'), behaviour('pricing_request')).band).toBe('hot');
  });

  it('makes an MQL from 60 points with grade C, inclusive; grade U never', () => {
    const sixty = [behaviour('demo_request'), behaviour('webinar_attended')];
    expect(reachesMql(DEFAULT, scoreOf({ role: 'decision_maker' }, ...sixty))).toBe(true);
    expect(reachesMql(DEFAULT, scoreOf({ role: 'decision_maker' }, behaviour('demo_request')))).toBe(false);
    expect(reachesMql(DEFAULT, scoreOf({}, ...sixty, behaviour('demo_request')))).toBe(false);
  });

  it('makes a PQL of a trial and three uses of the product in 14 days', () => {
    const trial = (days: number) =>
      scored(
        {},
        behaviour('trial_started', 30),
        behaviour('product_action', days, { count: 2 }),
        behaviour('product_action'),
      );
    const reached = (lead: ReturnType<typeof scored>) =>
      reachesPql(DEFAULT, lead, evaluate(DEFAULT, lead, NOW_S), NOW_S);
    expect(reached(trial(13.9))).toBe(true);
    expect(reached(trial(14))).toBe(false);
    expect(reached(scored({}, behaviour('product_action', 0, { count: 9 })))).toBe(false);
  });
});

describe('arithmetic (spec §5.3)', () => {
  const kinds = [
    'page_view',
    'guide',
    'pricing_page',
    'webinar_attended',
    'product_action',
    'unsubscribe',
    'reply',
  ] as const;
  const happening = fc.record({
    kind: fc.constantFrom(...kinds),
    /** Between the recording of this one and the next. */
    waitS: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 90 * DAY_S })),
    /** How long before it was recorded it occurred; a little ahead is possible. */
    lateS: fc.oneof(fc.constant(0), fc.integer({ min: -300, max: 40 * DAY_S })),
    count: fc.integer({ min: 1, max: 12 }),
    topicCode: fc.option(fc.constantFrom('prices', 'security'), { nil: undefined }),
  });
  type Happening = typeof happening extends fc.Arbitrary<infer H> ? H : never;
  const rule = (on: ScoredKind, points: number, halfLifeDays: number | null, more: object = {}) => ({
    id: `${on}-${points}-${halfLifeDays}-${JSON.stringify(more)}`.slice(0, 64),
    on,
    points,
    halfLifeDays,
    ...more,
  });
  const MODEL = compiled({
    behaviour: [
      rule('page_view', 0.125, 7, { cap: 2.5 }),
      rule('page_view', 1.5, 30, { where: [{ field: 'topicCode', equals: 'prices' }] }),
      rule('guide', 8, 14),
      rule('pricing_page', 10, 14, { cap: 30 }),
      rule('webinar_attended', 3.333, null, { cap: 20 }),
      rule('product_action', 2, 0.5),
      rule('product_action', 1, 7, { where: [{ field: 'count', gte: 3, lt: 8 }] }),
    ] as ScoringModelDocument['behaviour'],
    penalty: [rule('unsubscribe', -2.5, null, { cap: 20 })] as ScoringModelDocument['penalty'],
    engagementRange: { min: 0, max: 90 },
  });

  /** The definition itself: every behaviour on its own, no running sums. */
  function directly(log: readonly Behaviour[], atS: number): number {
    const { behaviour: rules, penalty } = MODEL.document;
    const sumOf = ({ cap = Infinity, halfLifeDays, on, points, where }: (typeof rules)[number]) => {
      let sum = 0;
      for (const one of log) {
        const holds = where.every(({ field, equals, gte, lt }) => {
          if (field === 'count') return one.count >= gte! && one.count < lt!;
          return one.more?.topicCode === equals;
        });
        if (one.kind !== on || !holds) continue;
        const ageS = atS - Math.min(one.occurredAtS, one.availableAtS);
        sum += points * one.count * (halfLifeDays === null ? 1 : Math.pow(2, -ageS / (halfLifeDays * DAY_S)));
      }
      return Math.max(-cap, Math.min(cap, sum));
    };
    const add = (all: typeof rules) => all.reduce((sum, one) => sum + sumOf(one), 0);
    return Math.min(90, Math.max(0, add(rules))) + add(penalty);
  }

  const logOf = (happenings: readonly Happening[]): Behaviour[] => {
    let atS = NOW_S;
    return happenings.map(({ count, kind, lateS, topicCode, waitS }, n) => {
      atS += waitS;
      const more = topicCode === undefined ? {} : { more: { topicCode } };
      return { eventId: `h${n}`, kind, occurredAtS: atS - lateS, availableAtS: atS, count, ...more };
    });
  };

  it('agrees with the sum over every single behaviour', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), fc.nat({ max: 60 * DAY_S }), (happenings, laterS) => {
        const log = logOf(happenings);
        const atS = (log.at(-1)?.availableAtS ?? NOW_S) + laterS;
        const { total } = evaluate(MODEL, { facts: {}, behaviours: after(...log) }, atS);
        const exact = directly(log, atS) * 1000;
        if (Math.abs(Math.abs(exact - Math.trunc(exact)) - 0.5) > 1e-6) expect(total).toBe(Math.round(exact) + 0);
        else expect(Math.abs(total - exact)).toBeLessThan(0.5 + 1e-6);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same to the last bit however often and under whichever model somebody looked in between', () => {
    fc.assert(
      fc.property(
        fc.array(happening, { maxLength: 25 }),
        fc.array(fc.boolean(), { maxLength: 25 }),
        (happenings, looks) => {
          const log = logOf(happenings);
          const atS = (log.at(-1)?.availableAtS ?? NOW_S) + 1000;
          let looked = new Behaviours();
          for (const [n, one] of log.entries()) {
            looked = looked.with(one);
            if (looks[n] === true)
              evaluate(n % 3 === 0 ? DEFAULT : MODEL, { facts: {}, behaviours: looked }, one.availableAtS + 7);
          }
          const once = after(...log);
          expect(looked.sums(MODEL, atS)).toEqual(once.sums(MODEL, atS));
          expect(explain(MODEL, { facts: {}, behaviours: looked }, atS)).toEqual(
            explain(MODEL, { facts: {}, behaviours: once }, atS),
          );
        },
      ),
    );
  });

  it('a cap does not depend on the order of behaviours', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6], { minLength: 7 }), (order) => {
        const visits = [0, 3, 9, 20, 1, 40, 2].map((days) => behaviour('pricing_page', days, { availableAtS: NOW_S }));
        const shuffled = order.map((index) => visits[index]!);
        expect(scoreOf({}, ...shuffled).total).toBe(scoreOf({}, ...visits).total);
      }),
    );
  });

  it('lines of an explanation add up to the total exactly', () => {
    const facts = fc.record(
      {
        role: fc.constantFrom('decision_maker', 'user'),
        segment: fc.constant('student'),
        personaMatched: fc.constant(true),
        emailKind: fc.constant('free'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.array(happening, { maxLength: 30 }),
        facts,
        fc.nat({ max: 40 * DAY_S }),
        (happenings, known, laterS) => {
          const log = logOf(happenings);
          const atS = (log.at(-1)?.availableAtS ?? NOW_S) + laterS;
          for (const model of [MODEL, DEFAULT]) {
            const lead = { facts: known, behaviours: after(...log) };
            const { contributions, score } = explain(model, lead, atS);
            expect(contributions.reduce((sum, { mp }) => sum + mp, 0)).toBe(score.total);
            expect(score).toEqual(evaluate(model, lead, atS));
            for (const { capped, mp, rawMp } of contributions)
              if (!capped) expect(Math.abs(mp - rawMp)).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('counts a late fact from when it was recorded, already decayed, and never at more than full', () => {
    const late = behaviour('guide', 14, { availableAtS: NOW_S });
    expect(scoreOf({}, late).total).toBe(4000);
    const ahead = behaviour('guide', 0, { occurredAtS: NOW_S + 240 });
    expect(scoreOf({}, ahead).total).toBe(8000);
  });

  it('answers about the past with what is known now', () => {
    const lead = scored({}, behaviour('guide', 28), behaviour('case_study', 28, { availableAtS: NOW_S }));
    expect(evaluate(DEFAULT, lead, NOW_S - 14 * DAY_S).total).toBe(11_500);
  });

  it('counts all anew when a time is corrected, and forgets what was voided', () => {
    const wrong = behaviour('guide', 0);
    const log = after(behaviour('page_view'), wrong, behaviour('page_view'));
    expect(
      evaluate(DEFAULT, { facts: {}, behaviours: log.corrected(wrong.eventId, NOW_S - 14 * DAY_S) }, NOW_S).total,
    ).toBe(6000);
    expect(evaluate(DEFAULT, { facts: {}, behaviours: log.without(wrong.eventId) }, NOW_S).total).toBe(2000);
  });

  it('may start engagement anew when sales returns a lead; penalties stay', () => {
    const log = after(behaviour('case_study'), behaviour('bounce')).with({ eventId: 'r', kind: 'returned' });
    const lead = { facts: {}, behaviours: log.with(behaviour('guide')) };
    expect(evaluate(DEFAULT, lead, NOW_S).total).toBe(8000);
    expect(evaluate(compiled({ onRecycled: 'reset_engagement' }), lead, NOW_S).total).toBe(-7000);
  });
});

describe('an explanation', () => {
  it('says what was capped, what the range took, and what brings most', () => {
    const lead = scored({ role: 'decision_maker', segment: 'competitor', emailKind: 'free', 'icp.employees': 'fail', 'firmographics.employees': 2 }, behaviour('page_view', 0, { count: 9 }), behaviour('guide'), behaviour('bounce')); // prettier-ignore
    const explained = explain(DEFAULT, lead, NOW_S);
    expect(explained.score).toMatchObject({ fit: -35_000, engagement: 13_000, penalties: -15_000, total: -37_000 });
    expect(explained.contributions.find(({ ruleId }) => ruleId === 'page_view')).toEqual({
      ruleId: 'page_view',
      label: 'Page views',
      part: 'engagement',
      mp: 5000,
      rawMp: 9000,
      capped: true,
    });
    expect(topContributions(explained, 2)).toEqual([
      { ruleId: 'role_decision_maker', mp: 20_000 },
      { ruleId: 'guide', mp: 8000 },
    ]);
  });

  it('says when a lead cools below the threshold if nothing happens', () => {
    const lead = scored(
      { role: 'decision_maker' },
      behaviour('demo_request', 0),
      behaviour('pricing_request', 0),
      behaviour('case_study'),
    );
    const coolsAt = coolsAtS(DEFAULT, lead, NOW_S)!;
    expect(evaluate(DEFAULT, lead, coolsAt - 1).total).toBeGreaterThanOrEqual(60_000);
    expect(evaluate(DEFAULT, lead, coolsAt).total).toBeLessThan(60_000);
    expect(coolsAtS(DEFAULT, scored({}, behaviour('guide')), NOW_S)).toBeNull();
  });
});
