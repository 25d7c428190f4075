import type { CommandBody, Role } from './commands.js';
import { defaultReengagementTrack, exitNurture, requireTrack } from './decide-nurture.js';
import { reengagement, requireOverride } from './decide-qualification.js';
import { iso, stagesBetween, type Decision } from './decision.js';
import { LeadError } from './errors.js';
import type { Rules } from './rule.js';
import { cycleSince, isSince } from './state.js';

/** How a lead leaves the funnel and comes back (T17–T20). */

/** Facts that make a closed lead worth another look. */
const NEW_FACTS: ReadonlySet<string> = new Set([
  'BehaviourRecorded',
  'CaptureRepeated',
  'LeadResponded',
  'MeetingBooked',
  'MeetingHeld',
  'LeadDetailsUpdated',
]);

export const leavingRules: Rules<'RecycleLead' | 'DisqualifyLead' | 'MarkJunk' | 'ReopenLead'> = {
  RecycleLead: {
    from: ['SAL', 'SQL', 'OPPORTUNITY', 'LOST'],
    importFrom: ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL'],
    transition: true,
    decide(decision, body) {
      const { reasonCode, revisitOn, note } = body;
      const { context, isImport, lead, state } = decision;
      const nurtureTrackId = body.nurtureTrackId ?? defaultReengagementTrack(decision, 'RECYCLED')?.trackId;
      requireRecycler(decision);
      decision.reason('recycle', reasonCode, note);
      decision.guard(nurtureTrackId !== undefined, 'NURTURE_TRACK_REQUIRED', 'on which track is it nurtured?', {
        field: 'nurtureTrackId',
      });
      if (nurtureTrackId !== undefined) requireTrack(decision, nurtureTrackId, 'nurtureTrackId');
      requireExhausted(decision, body);
      const ahead = revisitOn === undefined || isImport || revisitOn > iso(context.nowMs).slice(0, 10);
      decision.guard(ahead, 'REVISIT_DATE_INVALID', 'a revisit lies ahead', { field: 'revisitOn' });
      const skippedStages = isImport && state !== 'LOST' ? stagesBetween(state, 'SQL') : [];
      decision.move(
        'RecycledNotReady',
        'RECYCLED',
        {
          reasonCode,
          nurtureTrackId: nurtureTrackId ?? 'unrecorded',
          revisitOn,
          recycleKind: 'not_ready',
          closedDealId: lead.deal?.dealId,
          note,
        },
        {
          clocks: [
            ...decision.cancel('recycled', ['handoff_response', 'first_contact', 'contact_cadence']),
            ...reengagement(decision),
          ],
          ...(skippedStages.length === 0 ? {} : { skippedStages, skipRule: 'import_unrecorded' }),
        },
      );
    },
  },

  DisqualifyLead: {
    from: ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY', 'RECYCLED'],
    offered: ({ deal }) => deal === null,
    transition: true,
    decide(decision, { reasonCode, failedCriteria, note }) {
      decision.guard(
        decision.lead.deal === null && decision.state !== 'OPPORTUNITY',
        'DEAL_OPEN',
        'lose the deal first',
        {
          dealId: decision.lead.deal?.dealId,
        },
      );
      decision.reason('disqualify', reasonCode, note);
      const clocks = decision.cancel('disqualified');
      exitNurture(decision, 'withdrawn');
      decision.move('Disqualified', 'DISQUALIFIED', { reasonCode, failedCriteria, note }, { clocks });
    },
  },

  MarkJunk: {
    from: ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'RECYCLED'],
    transition: true,
    decide(decision, { reasonCode, origin }) {
      decision.reason('junk', reasonCode);
      exitNurture(decision, 'withdrawn');
      decision.move('MarkedJunk', 'JUNK', { reasonCode, origin }, { clocks: decision.cancel('junk') });
    },
  },

  ReopenLead: {
    from: ['LOST', 'DISQUALIFIED', 'JUNK'],
    transition: true,
    decide(decision, { reasonCode, newFactEventId }) {
      const { lead, isOps } = decision;
      const fresh = factsSinceClosing(decision);
      decision.guard(
        newFactEventId === undefined || fresh.includes(newFactEventId),
        'UNKNOWN_EVIDENCE',
        'no such new fact since the lead was closed',
        { field: 'newFactEventId' },
      );
      decision.guard(isOps || fresh.length > 0, 'NOTHING_NEW', 'nothing has happened since the lead was closed');
      const to = lead.twoWaySinceMs === null ? 'LEAD' : 'PROSPECT';
      decision.move('LeadReopened', to, { reasonCode, newFactEventId: newFactEventId ?? fresh[0] });
    },
  },
};

/** T17: sales returns what it works on; from LOST marketing and ops may take it up too. */
function requireRecycler({ context: { actor }, isImport, state }: Decision): void {
  if (isImport || state === 'LOST' || (actor.role !== 'marketing' && actor.role !== 'ops')) return;
  const required: readonly Role[] = ['sdr', 'sales', 'sales_manager'];
  throw new LeadError('FORBIDDEN_ROLE', `a ${state} lead is returned by sales`, { required });
}

/** Giving up on the unresponsive needs the agreed sequence made to its end, or a manager (spec T17). */
function requireExhausted(decision: Decision, { reasonCode, override }: CommandBody<'RecycleLead'>): void {
  if (reasonCode !== 'unresponsive') return;
  const { lead } = decision;
  if (lead.sequenceExhausted !== null && isSince(lead.sequenceExhausted, cycleSince(lead))) return;
  if (override !== undefined) return requireOverride(decision, override);
  decision.guard(false, 'SEQUENCE_NOT_EXHAUSTED', 'the contact sequence is not made to its end');
}

/** Latest first. */
function factsSinceClosing({ lead }: Decision): string[] {
  const facts: string[] = [];
  for (let entry = lead.history; entry !== null; entry = entry.previous) {
    if (entry.eventId === lead.latestTransition?.eventId) break;
    if (NEW_FACTS.has(entry.type) && entry.atMs >= lead.lastTransitionAtMs) facts.push(entry.eventId);
  }
  return facts;
}
