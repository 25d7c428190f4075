import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { CommandName, Role } from './commands.js';
import { absorptionOf } from './absorption.js';
import { LeadError } from './errors.js';
import { evolve } from './evolve.js';
import { EUR, person, Scenario, YES } from './given-when-then.js';
import type { LeadEvent } from './events.js';
import { clockEventIdName, standingOutcome } from './sla-clocks.js';
import { initialLead, type LeadState } from './state.js';
import { type LeadStateName, RANK } from './states.js';

/** Random lives of a lead: whatever people do in whatever order, the rules below hold. */

/** Drawn by hand from spec §3.3; MERGED, which every state may end in, apart. */
const DIAGRAM: Record<string, LeadStateName[]> = {
  none: ['SUBSCRIBER', 'LEAD'],
  SUBSCRIBER: ['LEAD', 'PROSPECT', 'MQL', 'DISQUALIFIED', 'JUNK'],
  LEAD: ['PROSPECT', 'MQL', 'SQL', 'DISQUALIFIED', 'JUNK'],
  PROSPECT: ['MQL', 'SQL', 'DISQUALIFIED', 'JUNK'],
  MQL: ['SAL', 'RECYCLED', 'LEAD', 'PROSPECT', 'SQL', 'DISQUALIFIED', 'JUNK'],
  SAL: ['SQL', 'RECYCLED', 'DISQUALIFIED', 'JUNK'],
  SQL: ['OPPORTUNITY', 'LOST', 'RECYCLED', 'DISQUALIFIED'],
  OPPORTUNITY: ['SQL', 'CUSTOMER', 'LOST', 'RECYCLED'],
  CUSTOMER: ['MQL'],
  RECYCLED: ['MQL', 'SQL', 'DISQUALIFIED', 'JUNK'],
  LOST: ['RECYCLED', 'PROSPECT', 'LEAD'],
  DISQUALIFIED: ['PROSPECT', 'LEAD'],
  JUNK: ['PROSPECT', 'LEAD'],
};

interface Step {
  readonly waitMinutes: number;
  readonly lateMinutes: number;
  readonly role: Role;
  /** Which of the usual commands of the lead's state; null: the step's own. */
  readonly usual: number | null;
  readonly name: CommandName;
  readonly body: object | ((lead: Scenario) => object);
}

const constant = (name: CommandName, body: Step['body'] = {}): fc.Arbitrary<Pick<Step, 'name' | 'body'>> =>
  fc.constant({ name, body });
const reason = (...codes: string[]) => fc.constantFrom(...codes);

const command: fc.Arbitrary<Pick<Step, 'name' | 'body'>> = fc.oneof(
  fc.record({
    name: fc.constant('RecordBehaviour' as const),
    body: fc.record({
      kind: fc.constantFrom('page_view', 'demo_request', 'unsubscribe', 'wink'),
      behaviourId: fc.constantFrom('b1', 'b2', 'b3'),
    }),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      name: fc.constant('LogContactAttempt' as const),
      body: fc.record({
        channel: fc.constantFrom('phone', 'email'),
        outcome: fc.constantFrom('connected', 'voicemail', 'bounced'),
        automated: fc.boolean(),
      }),
    }),
  },
  constant('LogResponse', { channel: 'email' }),
  constant('LogMeeting', { outcome: 'successful', kind: 'discovery' }),
  fc.integer({ min: 1, max: 200 }).map((hours) => ({
    name: 'DeferContact' as const,
    body: (lead: Scenario) => ({ until: new Date(lead.nowMs + hours * 3_600_000).toISOString() }),
  })),
  constant('RecordConsent', { purpose: 'phone', basis: 'consent' }),
  constant('WithdrawConsent', { purpose: 'phone' }),
  constant('StartContactSequence'),
  { weight: 2, arbitrary: constant('EnrolInNurture', { trackId: 't' }) },
  constant('LogNurtureTouch', { trackId: 't' }),
  constant('ExitNurture'),
  constant('AssignOwner', { ownerId: 'zoe' }),
  constant('AssessIcpFit'),
  constant('ChangeDecisionMaker', { kind: 'left' }),
  reason('existing_customer', 'new_business').map((to) => ({
    name: 'ChangeLeadType' as const,
    body: { to, reason: 'x' },
  })),
  constant('IdentifyGoal', { goal: 'x', challengeCode: 'slow_quotes' }),
  { weight: 3, arbitrary: constant('MarkMQL', { reason: 'x' }) },
  constant('MarkServiceQualified'),
  constant('HandOffToSales'),
  { weight: 4, arbitrary: constant('AcceptLead') },
  reason('bad_data', 'other', 'mood').map((reasonCode) => ({ name: 'RejectLead' as const, body: { reasonCode } })),
  constant('WithdrawQualification'),
  { weight: 2, arbitrary: constant('AnswerQualification', { answers: YES }) },
  { weight: 3, arbitrary: constant('MarkSQL') },
  { weight: 3, arbitrary: constant('MarkSQL', { qualification: YES }) },
  {
    weight: 3,
    arbitrary: constant('OpenOpportunity', { amount: EUR(1000), expectedCloseDate: '2027-01-01', qualification: YES }),
  },
  reason('demo', 'quote_development', 'nowhere').map((to) => ({ name: 'ChangeDealStage' as const, body: { to } })),
  constant('ChangeDealAmount', { amount: EUR(2000), reason: 'x' }),
  constant('VerifyDealValue', { evidence: 'contract' }),
  constant('ReturnToQualification', { reasonCode: 'budget_lost' }),
  constant('ResumeOpportunity'),
  { weight: 2, arbitrary: constant('PutOnHold', { reasonCode: 'legal_review' }) },
  { weight: 2, arbitrary: constant('ResumeFromHold') },
  constant('WinDeal', { amount: EUR(1000) }),
  constant('WinDeal'),
  constant('LoseDeal', { reasonCode: 'price' }),
  reason('timing', 'unresponsive').map((reasonCode) => ({
    name: 'RecycleLead' as const,
    body: { reasonCode, nurtureTrackId: 't' },
  })),
  constant('DisqualifyLead', { reasonCode: 'no_need' }),
  constant('MarkJunk', { reasonCode: 'spam' }),
  constant('ReopenLead', { reasonCode: 'x' }),
  constant('LogPostSaleFollowUp', { channel: 'phone' }),
  {
    weight: 3,
    arbitrary: constant('VoidTransition', ({ lead }: Scenario) => ({
      eventId: lead.latestTransition?.eventId ?? 'none',
      reason: 'x',
      approvedBy: 'boss',
    })),
  },
);
/** What usually follows in a state, so that lives get far. */
const OPEN = { amount: EUR(1000), expectedCloseDate: '2027-01-01', qualification: YES };
const CALL: readonly [CommandName, object] = ['LogContactAttempt', { channel: 'phone', outcome: 'connected' }];
const RECYCLE: readonly [CommandName, object] = ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }];
const HOLD: readonly [CommandName, object] = ['PutOnHold', { reasonCode: 'legal_review' }];
const MARK: readonly [CommandName, object] = ['MarkMQL', { reason: 'x' }];
const USUAL: Partial<Record<LeadStateName, readonly (readonly [CommandName, object])[]>> = {
  SUBSCRIBER: [['RecordBehaviour', { kind: 'guide' }], MARK],
  LEAD: [MARK, MARK, ['RecordBehaviour', { kind: 'demo_request' }], ['MarkSQL', { qualification: YES }]],
  PROSPECT: [MARK, MARK],
  MQL: [
    ['AcceptLead', {}],
    ['AcceptLead', {}],
    ['AcceptLead', {}],
    ['RejectLead', { reasonCode: 'bad_data' }],
  ],
  SAL: [
    CALL,
    ['MarkSQL', { qualification: YES }],
    ['MarkSQL', { qualification: YES }],
    ['OpenOpportunity', OPEN],
    HOLD,
    RECYCLE,
  ],
  SQL: [
    ['OpenOpportunity', OPEN],
    ['AnswerQualification', { answers: YES }],
    ['ResumeOpportunity', {}],
    ['ResumeFromHold', {}],
    HOLD,
    RECYCLE,
  ],
  OPPORTUNITY: [
    ['ChangeDealStage', { to: 'demo' }],
    ['ReturnToQualification', { reasonCode: 'budget_lost' }],
    ['WinDeal', { amount: EUR(1000) }],
    ['LoseDeal', { reasonCode: 'price' }],
    ['ResumeFromHold', {}],
    HOLD,
    RECYCLE,
  ],
  CUSTOMER: [
    ['MarkServiceQualified', {}],
    ['LogPostSaleFollowUp', { channel: 'phone' }],
  ],
  RECYCLED: [MARK, ['RecordBehaviour', { kind: 'demo_request' }], ['MarkSQL', { qualification: YES }]],
  LOST: [RECYCLE, ['ReopenLead', { reasonCode: 'x' }], ['RecordBehaviour', { kind: 'guide' }]],
  DISQUALIFIED: [['ReopenLead', { reasonCode: 'x' }]],
  JUNK: [['ReopenLead', { reasonCode: 'x' }]],
};

const step: fc.Arbitrary<Step> = fc
  .record({
    usual: fc.option(fc.nat({ max: 11 }), { freq: 3 }),
    waitMinutes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 6000 })),
    lateMinutes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
    role: fc.oneof(
      { weight: 6, arbitrary: fc.constant('admin' as const) },
      fc.constantFrom<Role[]>('sales', 'marketing', 'ops', 'analyst'),
    ),
    command,
  })
  .map(({ command, ...rest }) => ({ ...rest, ...command }));

/** Lives the steps; `sweepEvery` minutes a sweeper passes by, 0 = never. */
function live(
  steps: readonly Step[],
  sweepEvery: number,
  seen: (lead: Scenario) => void = () => undefined,
  lead: Scenario = new Scenario(),
): Scenario {
  if (lead.lead.state === null) {
    lead.do('CaptureLead', {
      person: { email: 'ann@example.com' },
      source: { channel: 'search' },
      consents: [{ purpose: 'email_marketing', basis: 'consent' }],
      interest: { kind: steps.length % 2 === 0 ? 'none' : 'passive' },
    });
    seen(lead);
  }
  const pass = (minutes: number) => {
    if (sweepEvery > 0) {
      for (let left = minutes; left > sweepEvery; left -= sweepEvery) {
        lead.nowMs += sweepEvery * 60_000;
        minutes -= sweepEvery;
        lead.sweep();
        seen(lead);
      }
    }
    lead.nowMs += minutes * 60_000;
  };
  for (const { waitMinutes, lateMinutes, role, usual, ...own } of steps) {
    pass(waitMinutes);
    const candidates = USUAL[lead.lead.state!] ?? [];
    const chosen = usual === null ? undefined : candidates[usual % candidates.length];
    const [name, body] = chosen ?? [own.name, own.body];
    const fields = typeof body === 'function' ? body(lead) : body;
    const occurredAt =
      lateMinutes === 0 ? {} : { occurredAt: new Date(lead.nowMs - lateMinutes * 60_000).toISOString() };
    const before = lead.lead;
    const actor = role === 'admin' ? { ...person('admin'), onBehalfOf: 'sam' } : person(role);
    try {
      lead.do(name, { ...fields, ...occurredAt }, actor);
    } catch (error) {
      if (!(error instanceof LeadError)) throw error;
      expect(lead.lead).toBe(before);
      continue;
    }
    seen(lead);
  }
  return lead;
}

function checkVisits({ lead }: Scenario): void {
  lead.visits.forEach((visit, i) => {
    const next = lead.visits[i + 1];
    expect(visit.exitedAtMs).toBe(next?.enteredAtMs ?? null);
    if (next !== undefined) expect(next.enteredAtMs).toBeGreaterThanOrEqual(visit.enteredAtMs);
  });
  expect(lead.visits.at(-1)?.state).toBe(lead.state);
  expect(lead.visits.at(-1)?.cycleNo).toBe(lead.cycleNo);
  if (lead.onHold) expect(['SAL', 'SQL', 'OPPORTUNITY']).toContain(lead.state);
  if (lead.openHandoff) expect(lead.state).toBe('MQL');
  if (lead.state === 'OPPORTUNITY') expect(lead.deal?.status).toBe('open');
  if (lead.deal?.status === 'requalifying') expect(lead.state).toBe('SQL');
}

function checkMoves(events: readonly LeadEvent[], from: LeadStateName | null): LeadStateName | null {
  for (const { type, data } of events) {
    if (!('toState' in data)) continue;
    expect(data.fromState).toBe(from);
    if (type !== 'TransitionVoided' && data.fromState !== data.toState) {
      expect(DIAGRAM[from ?? 'none']).toContain(data.toState);
    }
    from = data.toState;
  }
  return from;
}

function checkClocks(lead: Scenario): void {
  const breaches = new Map<string, number>();
  const open = new Map<string, boolean>();
  const retracted = new Set<string>();
  for (const { event } of lead.stored) {
    if (event.type === 'TransitionVoided' || event.type === 'MergeReverted')
      for (const id of event.data.reopenedClockIds ?? []) open.set(id, true);
    if (!('clockId' in event.data)) continue;
    const { clockId } = event.data;
    switch (event.type) {
      case 'SlaClockStarted':
        expect(open.has(clockId)).toBe(false);
        open.set(clockId, true);
        break;
      case 'SlaBreached':
        breaches.set(clockId, (breaches.get(clockId) ?? 0) + 1);
        expect(open.get(clockId)).toBe(true);
        break;
      case 'SlaBreachRetracted':
        retracted.add(clockId);
        break;
      case 'SlaClockStopped':
        // Once over, only evidence that takes the breach back ends it anew.
        expect(open.get(clockId) === true || retracted.has(clockId)).toBe(true);
        open.set(clockId, false);
        break;
      case 'SlaClockCancelled':
        // A void also cancels what had been stopped: the promise never was.
        expect(open.get(clockId) === true || event.data.reason === 'voided').toBe(true);
        open.set(clockId, false);
        break;
      default:
        break;
    }
  }
  for (const [clockId, count] of breaches) expect([clockId, count]).toEqual([clockId, 1]);
}

describe('whatever happens to a lead', () => {
  it('only coded refusals, only drawn transitions, visits without gap or overlap, each promise broken and ended once', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
        let state: LeadStateName | null = null;
        const lead = live(steps, 0, (now) => {
          state = checkMoves(now.latest, state);
          expect(now.lead.state).toBe(state);
          checkVisits(now);
        });
        checkClocks(lead);
        expect(lead.refold()).toEqual(lead.lead);
      }),
      { numRuns: 150 },
    );
  });

  it('what deciding has folded is what folding the stored events gives', () => {
    let handedOver = 0;
    let commands = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
        live(steps, 0, ({ after, latest, lead }) => {
          commands += 1;
          if (after === null) expect(latest.some((event) => clockEventIdName(event) !== null)).toBe(true);
          else expect(after).toEqual(lead);
          handedOver += after === null ? 0 : 1;
        });
      }),
      { numRuns: 60 },
    );
    expect(handedOver).toBeGreaterThan(commands / 2);
  });

  it('promises stand or fall alike, whether or when a sweeper ran', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.integer({ min: 30, max: 3000 }),
        (steps, every) => {
          const outcomes = [0, every].map((sweepEvery) => {
            const lead = live(steps, sweepEvery);
            lead.nowMs += 400 * 86_400_000;
            lead.sweep();
            checkClocks(lead);
            return [...lead.lead.clocks.values()].map((clock) => [clock.clockId, standingOutcome(clock)]);
          });
          expect(outcomes[0]).toEqual(outcomes[1]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('a merge that is taken back leaves both leads as if it had never been, but for what happened since', () => {
    const life = (most: number) => fc.array(step, { maxLength: most });
    fc.assert(
      fc.property(life(20), life(20), life(4), life(8), (one, two, meanwhile, after) => {
        const [a, b] = [one, two].map((steps, n) => {
          const lead = new Scenario();
          lead.lead = initialLead(`lead${n}`);
          return live(steps, 0, undefined, lead);
        }) as [Scenario, Scenario];
        const [survivor, duplicate] = RANK[a.lead.state!] >= RANK[b.lead.state!] ? [a, b] : [b, a];
        fc.pre(survivor.lead.deal === null || duplicate.lead.deal === null);
        survivor.nowMs = duplicate.nowMs = Math.max(a.nowMs, b.nowMs);
        const mergeId = 'merge';
        survivor.duplicate = { mergeId, lead: duplicate.lead, absorption: absorptionOf(duplicate.stored) };
        survivor.do('MergeLeads', { duplicateLeadId: duplicate.lead.leadId });
        duplicate.do('CompleteMerge', { mergeId, survivorLeadId: survivor.lead.leadId });
        live(meanwhile, 0, undefined, survivor);
        survivor.do('UnmergeLeads', { mergeId });
        duplicate.nowMs = survivor.nowMs;
        duplicate.do('RevertMerge', { mergeId });
        for (const lead of [survivor, duplicate]) {
          live(after, 0, checkVisits, lead);
          checkClocks(lead);
          expect(settled(lead.lead)).toEqual(settled(unmerged(lead)));
        }
      }),
      { numRuns: 100 },
    );
  });
});

const MERGE_EVENTS: ReadonlySet<string> = new Set(['DuplicateAbsorbed', 'MergedInto', 'MergeReverted']);

/** The lead folded without the events of its merges. */
const unmerged = ({ lead: { leadId }, stored }: Scenario): LeadState =>
  stored.reduce((lead, { event, eventId, recordedAtMs }, revision) => {
    const ofMerge = event.type === 'SlaClockCancelled' ? event.data.reason === 'merged' : MERGE_EVENTS.has(event.type);
    return ofMerge ? lead : evolve(lead, event, { eventId, revision, recordedAtMs });
  }, initialLead(leadId));

/** All of a lead but the trail of its events. */
const settled = ({ history: _, revision: __, fitMemo: ___, ...lead }: LeadState) => lead;
