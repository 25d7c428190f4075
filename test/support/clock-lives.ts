import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { CommandName } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { EUR, person, Scenario, YES } from '#libs/lead/src/given-when-then.js';
import { initialLead } from '#libs/lead/src/state.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { seededRandom } from './seeded-steps.js';

/** Random lives of a lead in which promises are made, put off, kept late and early, told late, corrected and taken back. */

type Act = readonly [CommandName, object];
const OPEN = { amount: EUR(1000), expectedCloseDate: '2029-01-01', qualification: YES };
const CALL: Act = ['LogContactAttempt', { channel: 'phone', outcome: 'connected' }];
const MAIL: Act = ['LogContactAttempt', { channel: 'email', outcome: 'sent' }];
const RECYCLE: Act = ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }];
const HOLD: Act = ['PutOnHold', { reasonCode: 'legal_review' }];
const MARK: Act = ['MarkMQL', { reason: 'x' }];
const SQL: Act = ['MarkSQL', { qualification: YES }];
const NURTURE: Act = ['EnrolInNurture', { trackId: 't' }];

const USUAL: Readonly<Record<string, readonly Act[]>> = {
  SUBSCRIBER: [MARK],
  LEAD: [MARK, MARK, MARK, ['RecordBehaviour', { kind: 'demo_request' }], SQL],
  PROSPECT: [MARK, MARK],
  MQL: [
    ['AcceptLead', {}],
    ['AcceptLead', {}],
    ['AcceptLead', {}],
    CALL,
    ['RejectLead', { reasonCode: 'bad_data' }],
    ['WithdrawQualification', {}],
    ['RecordBehaviour', { kind: 'demo_request' }],
    SQL,
  ],
  SAL: [CALL, MAIL, MAIL, SQL, ['StartContactSequence', {}], ['OpenOpportunity', OPEN], HOLD, RECYCLE],
  SQL: [['OpenOpportunity', OPEN], CALL, ['ResumeFromHold', {}], HOLD, RECYCLE, ['ResumeOpportunity', {}]],
  OPPORTUNITY: [
    ['WinDeal', { amount: EUR(1000) }],
    ['WinDeal', { amount: EUR(1000) }],
    ['LoseDeal', { reasonCode: 'price' }],
    ['ReturnToQualification', { reasonCode: 'budget_lost' }],
    ['ResumeFromHold', {}],
    HOLD,
  ],
  CUSTOMER: [
    ['LogPostSaleFollowUp', { channel: 'phone' }],
    ['MarkServiceQualified', {}],
  ],
  RECYCLED: [MARK, NURTURE, ['LogNurtureTouch', { trackId: 't' }], ['RecordBehaviour', { kind: 'demo_request' }], SQL],
  LOST: [RECYCLE, ['ReopenLead', { reasonCode: 'x' }]],
  DISQUALIFIED: [['ReopenLead', { reasonCode: 'x' }]],
  JUNK: [['ReopenLead', { reasonCode: 'x' }]],
};
const ANYTIME: readonly Act[] = [
  ['LogResponse', { channel: 'email' }],
  ['LogMeeting', { outcome: 'successful', kind: 'discovery' }],
  ['ResumeFromHold', {}],
  ['AssignOwner', { ownerId: 'zoe' }],
  ['AssignOwner', { ownerId: 'yan' }],
  ['ExitNurture', {}],
  ['DisqualifyLead', { reasonCode: 'no_need' }],
  ['MarkJunk', { reasonCode: 'spam' }],
  MAIL,
  HOLD,
];

export interface ClockLife {
  readonly seed: number;
  readonly leadId: string;
  readonly policies: PolicyBook;
  /** Minutes between two passes of a sweeper; 0: it never comes. */
  readonly sweepEvery: number;
  /** Corrections whose outcome depends on what the policies had made of the clocks so far. */
  readonly corrections: boolean;
}

const MINUTE_MS = 60_000;

/** The same seed lives the same life, whatever the policies make of it. */
export function liveClocks({ corrections, leadId, policies, seed, sweepEvery }: ClockLife): Scenario {
  const random = seededRandom(seed);
  const lead = new Scenario();
  lead.policies = policies;
  lead.lead = initialLead(leadId);
  const attempt = (name: CommandName, body: object) => {
    try {
      lead.do(name, body, { ...person('admin'), onBehalfOf: 'sam' });
    } catch (error) {
      if (!(error instanceof LeadError)) throw error;
    }
  };
  const pass = (minutes: number) => {
    const until = lead.nowMs + minutes * MINUTE_MS;
    if (sweepEvery > 0) {
      while (lead.nowMs + sweepEvery * MINUTE_MS < until) {
        lead.nowMs += sweepEvery * MINUTE_MS;
        lead.sweep();
      }
    }
    lead.nowMs = until;
  };
  attempt('CaptureLead', {
    person: { email: 'ann@example.com' },
    source: { channel: 'search' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
    interest: { kind: 'passive' },
  });
  const steps = 4 + Math.floor(random() * 26);
  for (let step = 0; step < steps; step += 1) {
    // Always as many draws a step, so that two lives of one seed stay side by side.
    const [kind, which, wait, late, minutes, span] = Array.from({ length: 6 }, random) as [number, number, number, number, number, number]; // prettier-ignore
    pass(Math.floor(wait < 0.2 ? 0 : wait < 0.6 ? 400 * minutes : 6000 * minutes));
    const occurredAt = late < 0.65 ? {} : { occurredAt: iso(lead.nowMs - Math.floor(3000 * late * minutes) * MINUTE_MS) };
    if (kind < 0.72) {
      const acts = USUAL[lead.lead.state ?? ''] ?? [];
      const [name, body] = acts[Math.floor(which * acts.length)] ?? ['LogResponse', { channel: 'email' }];
      attempt(name, { ...body, ...occurredAt });
    } else if (kind < 0.84) {
      const [name, body] = ANYTIME[Math.floor(which * ANYTIME.length)]!;
      attempt(name, { ...body, ...occurredAt });
    } else if (kind < 0.9) attempt('DeferContact', { until: iso(lead.nowMs + span * 200 * 60 * MINUTE_MS), ...occurredAt });
    else if (kind < 0.94)
      attempt('VoidTransition', { eventId: lead.lead.latestTransition?.eventId ?? 'none', reason: 'x', approvedBy: 'boss' });
    else if (kind < 0.955) attempt('CompleteMerge', { mergeId: 'merge', survivorLeadId: 'other' });
    else if (corrections) correct(lead, attempt, which, span);
    // A duplicate does not stay one for long here.
    if (lead.lead.mergedInto !== null) {
      pass(Math.floor(span * 2000));
      attempt('RevertMerge', { mergeId: 'merge' });
    }
  }
  return lead;
} // prettier-ignore

function correct(
  { lead, nowMs, stored }: Scenario,
  attempt: (name: CommandName, body: object) => void,
  which: number,
  span: number,
): void {
  const approved = { reason: 'x', approvedBy: 'boss' };
  const clocks = [...lead.clocks.values()];
  const clock = clocks[Math.floor(span * clocks.length)];
  if (which < 0.3 && clock !== undefined) attempt('RebaseClock', { clockId: clock.clockId, ...approved });
  else if (which < 0.5 && clock !== undefined) {
    const evidenceEventId = clock.stoppedBy ?? stored[0]!.eventId;
    attempt('RetractBreach', { clockId: clock.clockId, evidenceEventId, approvedBy: 'boss' });
  } else {
    const facts = stored.filter(({ event }) => !event.type.startsWith('Sla') && event.type !== 'OccurredAtCorrected');
    const { event, eventId } = facts[Math.floor(span * facts.length)]!;
    const moved = Date.parse(event.data.occurredAt) + Math.floor((which - 0.75) * 4000) * MINUTE_MS;
    attempt('CorrectOccurredAt', { eventId, new: iso(Math.min(moved, nowMs)), ...approved });
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** The life as the log would hold it. */
export const recordedEvents = ({ lead, stored }: Scenario): RecordedEvent[] =>
  stored.map(({ event, eventId, recordedAtMs }, revision) => ({
    id: eventId,
    stream: `lead-${lead.leadId}`,
    revision,
    type: event.type,
    data: event.data as unknown as Record<string, unknown>,
    metadata: {},
    position: revision.toString(16).padStart(16, '0'),
    recordedAtMs,
  }));
