import { handRaisesOf } from './absorption.js';
import type { CommandBody } from './commands.js';
import { exitNurture } from './decide-nurture.js';
import { clockAfter, stagesBetween, type Decision, type MoveOptions, type OwnData } from './decision.js';
import { LeadError } from './errors.js';
import type { LeadEvent, LeadEventData } from './events.js';
import { failedHardCriteria } from './icp.js';
import { freshHandRaise } from './hand-raise.js';
import { CAPACITY_EXCEEDED, type Routed, ROUTING_POLICY, routeTo } from './routing.js';
import type { Rules } from './rule.js';
import {
  isCooledDown,
  isSuppressed,
  mayBeScored,
  scoreRecord,
  scoreSnapshot,
  standingOf,
  type Standing,
} from './scoring.js';
import { startMetClock } from './sla-clocks.js';
import {
  cycleSince,
  findEvent,
  since,
  QUALIFICATION_QUESTIONS,
  type Moment,
  type QualificationQuestion,
} from './state.js';
import type { LeadStateName } from './states.js';

/**
 * From marketing's mark over the handoff to sales' qualification (T4–T10). Scoring will mark and withdraw through the same
 * functions, in the name of a policy.
 */

export const BEFORE_MQL = ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'RECYCLED'] as const;
/** RECYCLED leads are marketing's to take up again (spec §3.1). */
const MARKETING_TEAM = 'marketing';

export const qualificationRules: Rules<
  | 'MarkMQL'
  | 'MarkPQL'
  | 'MarkServiceQualified'
  | 'HandOffToSales'
  | 'AcceptLead'
  | 'RejectLead'
  | 'WithdrawQualification'
  | 'AnswerQualification'
  | 'MarkSQL'
> = {
  MarkMQL: {
    from: BEFORE_MQL,
    transition: true,
    stops: (decision) => [decision.clock('recycle_reengagement')],
    decide(decision, { reason, ...handoff }) {
      const scored = standing(decision);
      const explained = (reason ?? '').trim() !== '' || scored?.mql === true;
      requireExplained(decision, explained, scored, { field: 'reason', detail: 'reason: why is it qualified?' });
      mark(decision, 'MarkedMQL', { basis: 'marketing', mode: 'manual', ...scoreRecord(scored), reason }, handoff);
    },
  },
  MarkPQL: {
    from: [...BEFORE_MQL, 'CUSTOMER'],
    transition: true,
    stops: (decision) => [decision.clock('recycle_reengagement')],
    decide(decision, { trialId, keyActions, reason, ...handoff }) {
      const scored = standing(decision);
      const explained = keyActions.length > 0 || (reason ?? '').trim() !== '' || scored?.pql === true;
      requireExplained(decision, explained, scored, {
        field: 'keyActions',
        detail: 'which use of the product, or why?',
      });
      const own = {
        basis: 'product' as const,
        mode: 'manual' as const,
        trialId,
        keyActions,
        ...scoreRecord(scored),
        reason,
      };
      mark(decision, 'MarkedPQL', own, handoff);
    },
  },
  MarkServiceQualified: {
    from: [...BEFORE_MQL, 'CUSTOMER'],
    transition: true,
    stops: (decision) => [decision.clock('recycle_reengagement')],
    decide(decision, { serviceCaseId, offer, note, ...handoff }) {
      const own = { basis: 'service' as const, serviceCaseId, offer, note, ...scoreSnapshot(standing(decision)) };
      mark(decision, 'MarkedServiceQualified', own, handoff);
    },
  },

  HandOffToSales: {
    from: ['MQL'],
    offered: ({ openHandoff }) => openHandoff === null,
    transition: true,
    decide(decision, body) {
      handOff(decision, body);
    },
  },

  AcceptLead: {
    from: ['MQL'],
    offered: ({ openHandoff }) => openHandoff !== null,
    importFrom: ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'RECYCLED'],
    transition: true,
    stops: (decision) => [decision.clock('handoff_response')],
    decide(decision, { handoffId, ownerId: chosen }) {
      const { context, lead, personId, state } = decision;
      requireRepresented(decision);
      const handoff = openHandoff(decision, handoffId);
      const teamId = handoff?.teamId ?? decision.teamId;
      decision.guard(inTeam(decision, teamId), 'NOT_IN_ASSIGNED_TEAM', `${personId} is not in team ${teamId}`, {
        teamId,
      });
      // Whoever imports history is not the one who accepted then.
      const ownerId = chosen ?? lead.ownerId ?? (decision.isImport ? null : personId);
      const acceptance = decision.nextEventId;
      decision.move(
        'AcceptedBySales',
        'SAL',
        {
          handoffId: handoff?.handoffId ?? context.newId('handoff'),
          acceptedBy: decision.isImport ? (ownerId ?? personId) : personId,
        },
        {
          ownerId,
          teamId,
          ...unrecorded(decision, state, 'SAL'),
          clocks: [
            ...decision.stop(decision.clock('handoff_response'), acceptance),
            ...firstContact(decision, { teamId, ownerId, contactSince: handoff }),
          ],
        },
      );
    },
  },

  RejectLead: {
    from: ['MQL'],
    offered: ({ openHandoff }) => openHandoff !== null,
    importFrom: ['SUBSCRIBER', 'LEAD', 'PROSPECT'],
    transition: true,
    stops: (decision) => [decision.clock('handoff_response')],
    decide(decision, body) {
      const { reasonCode, failedCriteria, note, suggestion, then, thenReasonCode } = body;
      const { context, state } = decision;
      requireRepresented(decision);
      const handoff = openHandoff(decision, body.handoffId);
      decision.reason('reject', reasonCode, note);
      decision.move(
        'RejectedBySales',
        'RECYCLED',
        {
          handoffId: handoff?.handoffId ?? context.newId('handoff'),
          recycleKind: 'rejected',
          reasonCode,
          failedCriteria,
          note,
          suggestion,
        },
        {
          ...unrecorded(decision, state, 'SAL'),
          clocks: [
            ...decision.stop(decision.clock('handoff_response'), decision.nextEventId),
            // Dropped for good in the same step: nobody is to re-engage it.
            ...(then === undefined ? reengagement(decision) : []),
          ],
        },
      );
      if (then === undefined) return;
      if (thenReasonCode !== undefined) decision.reason(then, thenReasonCode, note);
      // Why it was rejected is why it is dropped, unless said otherwise.
      const why = thenReasonCode ?? reasonCode;
      if (then === 'disqualify') {
        decision.move('Disqualified', 'DISQUALIFIED', { reasonCode: why, failedCriteria, note });
      } else {
        decision.move('MarkedJunk', 'JUNK', { reasonCode: why, origin: 'inbound' });
      }
    },
  },

  WithdrawQualification: {
    from: ['MQL'],
    transition: true,
    decide(decision, body) {
      withdrawQualification(decision, body);
    },
  },

  AnswerQualification: {
    decide(decision, { answers, timingHorizonDays }) {
      answerQualification(decision, answers, timingHorizonDays);
    },
  },

  MarkSQL: {
    from: ['LEAD', 'PROSPECT', 'MQL', 'SAL', 'RECYCLED'],
    importFrom: ['SUBSCRIBER'],
    transition: true,
    advances: true,
    stops: (decision) => [
      decision.clock('handoff_response'),
      decision.clock('recycle_reengagement'),
      decision.clock('contact_cadence'),
    ],
    decide(decision, body) {
      becomeSql(decision, body);
    },
  },
};

// ---- T4, T5

type Handoff = CommandBody<'HandOffToSales'>;

/** The lead's score now, as a mark or an SQL snapshots it (spec §3.5); null: no model is in force, or it is history. */
function standing(decision: Decision): Standing | null {
  const { context, isImport, lead, pipeline } = decision;
  const model = isImport ? null : context.models.inForce(context.nowMs);
  return model === null || !mayBeScored(lead) ? null : standingOf(lead, model, context.nowMs, pipeline);
}

/** A mark below the threshold, or without any, is a person's own judgement: it says why. */
function requireExplained(
  decision: Decision,
  explained: boolean,
  scored: Standing | null,
  { detail, field }: { readonly detail: string; readonly field: string },
): void {
  if (scored === null) {
    decision.guard(explained, decision.isImport ? 'SCORE_BELOW_THRESHOLD' : 'REASON_REQUIRED', detail, { field });
    return;
  }
  const { grade, total } = scored.score;
  const { minGrade, minTotal } = scored.model.thresholds.mql;
  decision.guard(explained, 'SCORE_BELOW_THRESHOLD', `scores ${total / 1000}, grade ${grade}; ${detail}`, {
    field,
    total,
    grade,
    minTotal,
    minGrade,
  });
}

/** T4, and T5 at once where the pipeline hands off by itself. */
function mark<T extends 'MarkedMQL' | 'MarkedPQL' | 'MarkedServiceQualified'>(
  decision: Decision,
  type: T,
  own: OwnData<T>,
  handoff: Handoff,
): void {
  const { lead, pipeline, atMs } = decision;
  const failed = failedHardCriteria(lead);
  decision.guard(failed.length === 0, 'ICP_THRESHOLD_FAILED', `the company fails the ICP: ${failed.join(', ')}`, {
    failed,
  });
  decision.guard(isCooledDown(lead, pipeline, atMs), 'RECYCLE_COOLDOWN', 'it was recycled only lately');
  decision.guard(!isSuppressed(lead), 'CONSENT_WITHDRAWN', 'the person has withdrawn every consent');
  becomeMql(decision, type, own);
  // History says itself when a lead was offered; a handoff that nobody recorded is not made up.
  if (pipeline.autoHandoff && !decision.isImport) handOff(decision, handoff);
}

/** The move of T4; its guards are the caller's. */
export function becomeMql<T extends 'MarkedMQL' | 'MarkedPQL' | 'MarkedServiceQualified'>(
  decision: Decision,
  type: T,
  own: OwnData<T>,
): void {
  const options: MoveOptions =
    decision.lead.state === 'RECYCLED'
      ? { clocks: decision.stop(decision.clock('recycle_reengagement'), decision.nextEventId) }
      : {};
  decision.move(type, 'MQL', own, options);
}

/** T5. Refuses before it records anything. */
export function handOff(decision: Decision, { teamId: asked, ownerId, summary }: Handoff): void {
  const { context, isImport, lead, pipeline, policyMs } = decision;
  decision.guard(lead.openHandoff === null, 'ALREADY_HANDED_OFF', 'an offer is open', {
    handoffId: lead.openHandoff?.handoffId,
  });
  const offeredTo = asked ?? pipeline.defaultTeamId;
  const routed = ownerId === undefined ? routeTo(decision, offeredTo) : null;
  const teamId = routed?.teamId ?? offeredTo;
  const { policies } = context;
  decision.guard(policies.team(teamId) !== null, 'UNKNOWN_TEAM', `no team ${teamId}`, { field: 'teamId' });
  const agreement = policies.agreementForTeam(teamId, policyMs);
  if (agreement === null) {
    throw new LeadError('NO_ACTIVE_AGREEMENT', `team ${teamId} has no service agreement in force`, { teamId });
  }
  // Spec §2.4. History was offered to teams that are gone.
  const missing = isImport ? [] : policies.missing(policyMs, teamId);
  const lacks = `nothing may be handed to team ${teamId} while ${missing.join(', ')} is not in force`;
  decision.guard(missing.length === 0, 'NOT_READY', lacks, { missing });
  const started = decision.startClock('handoff_response', context.nowMs, teamId, ownerId ?? routed?.ownerId);
  decision.record('HandedOffToSales', {
    handoffId: context.newId('handoff'),
    teamId,
    ownerId,
    agreementId: agreement.agreementId,
    agreementVersion: agreement.version,
    summary,
  });
  decision.recordAll(started);
  if (routed !== null) recordRouting(decision, routed);
  // Marketing nurtures a lead until it is handed over (spec §1 MQL).
  exitNurture(decision, 'qualified');
}

/** Spec §9.8. */
function recordRouting(decision: Decision, { overCapacity, ownerId, teamId }: Routed): void {
  const previousOwnerId = decision.lead.ownerId ?? undefined;
  const policyWarnings = overCapacity ? [CAPACITY_EXCEEDED] : undefined;
  decision.asPolicy(ROUTING_POLICY, decision.atMs, () => {
    decision.record('OwnerAssigned', { ownerId, previousOwnerId, teamId, reason: 'routing', policyWarnings });
  });
}

/** T8. */
export function withdrawQualification(
  decision: Decision,
  { note, reason }: Pick<CommandBody<'WithdrawQualification'>, 'reason' | 'note'>,
): void {
  const { lead } = decision;
  decision.move(
    'QualificationWithdrawn',
    lead.twoWaySinceMs === null ? 'LEAD' : 'PROSPECT',
    { reason, handoffId: lead.openHandoff?.handoffId, note },
    { clocks: decision.cancel('withdrawn', ['handoff_response']) },
  );
}

// ---- T6, T7

function openHandoff(decision: Decision, handoffId: string | undefined) {
  const { openHandoff } = decision.lead;
  const matches = openHandoff !== null && (handoffId === undefined || handoffId === openHandoff.handoffId);
  decision.guard(matches, 'NOT_HANDED_OFF', 'there is no such open offer', { openHandoffId: openHandoff?.handoffId });
  return matches ? openHandoff : null;
}

/** Ops may act for a person of sales, but say for whom (spec §3.8). */
function requireRepresented({ context: { actor }, isImport }: Decision): void {
  if (isImport || actor.role !== 'ops' || actor.onBehalfOf !== undefined) return;
  throw new LeadError('FORBIDDEN_ROLE', 'ops decides for sales only on behalf of a person', {
    required: ['sdr', 'sales', 'sales_manager'],
    field: 'onBehalfOf',
  });
}

function inTeam({ context: { actor, policies } }: Decision, teamId: string): boolean {
  if (actor.role === 'admin' || actor.role === 'system') return true;
  if (actor.onBehalfOf === undefined) return actor.teams.includes(teamId);
  const represented = policies.rep(actor.onBehalfOf);
  return represented === null || represented.teamId === teamId;
}

/** Started by the acceptance; met in the same step when contact was made since the offer (spec §6.1). */
function firstContact(
  decision: Decision,
  { teamId, ownerId, contactSince }: { teamId: string; ownerId: string | null; contactSince: Moment | null },
): LeadEvent[] {
  const { atMs, context, isImport, lead, pipeline } = decision;
  if (isImport) return [];
  const contact = since(lead.attempts, contactSince ?? { atMs, revision: lead.revision + 1 })
    .filter(({ qualifies, connected }) => qualifies && (connected || pipeline.firstContactStop === 'attempt'))
    .sort((a, b) => a.atMs - b.atMs)[0];
  if (contact !== undefined && contact.atMs <= atMs) {
    const { policies } = context;
    const clockId = context.newId('clock-first_contact');
    const byEventId = contact.eventId;
    const clockType = 'first_contact';
    return startMetClock({
      policies,
      leadId: lead.leadId,
      clockId,
      clockType,
      startMs: atMs,
      teamId,
      ownerId: ownerId ?? undefined,
      byEventId,
    });
  }
  const started = decision.startClock('first_contact', atMs, teamId, ownerId);
  // A back-dated acceptance of a lead that somebody has called meanwhile.
  const stopped = contact === undefined ? [] : decision.stop(clockAfter(started), contact.eventId, contact.atMs);
  return [...started, ...stopped];
}

/** Marketing's promise to take a returned lead up again. */
export function reengagement(decision: Decision): LeadEvent[] {
  const known = decision.context.policies.team(MARKETING_TEAM) !== null;
  return decision.startClock('recycle_reengagement', decision.atMs, known ? MARKETING_TEAM : decision.teamId);
}

/** Stages that an imported row leaves out, when it does (spec §9.3). */
export function unrecorded(decision: Decision, from: LeadStateName, to: LeadStateName): MoveOptions {
  const skippedStages = decision.isImport ? stagesBetween(from, to) : [];
  return skippedStages.length === 0 ? {} : { skippedStages, skipRule: 'import_unrecorded' };
}

// ---- T9, T10

type Answers = CommandBody<'AnswerQualification'>['answers'];

export function answerQualification(decision: Decision, answers: Answers, timingHorizonDays?: number): void {
  for (const question of QUALIFICATION_QUESTIONS) {
    const evidence = answers[question]?.evidenceEventId;
    const known = evidence === undefined || findEvent(decision.lead, evidence) !== null;
    decision.guard(known, 'UNKNOWN_EVIDENCE', `no event ${evidence} in this lead`, {
      field: `answers.${question}.evidenceEventId`,
    });
  }
  decision.record('QualificationAnswered', { answers, timingHorizonDays });
}

/** SAL, or another state by a skip rule → SQL. Also the first half of SAL → OPPORTUNITY. */
export function becomeSql(
  decision: Decision,
  body: Pick<CommandBody<'MarkSQL'>, 'qualification' | 'timingHorizonDays' | 'skipRule' | 'override'>,
): void {
  const { state, context, personId } = decision;
  const skips = state !== 'SAL';
  const skipRule = skips ? skipRuleFor(decision, body.skipRule) : undefined;
  const byPolicy = skipRule === 'auto_sql_score';
  if (body.qualification !== undefined) answerQualification(decision, body.qualification, body.timingHorizonDays);
  const override = byPolicy ? undefined : qualificationGuard(decision, body.override);
  if (!skips) {
    const start = cycleSince(decision.lead);
    const { attempts, responses } = decision.lead;
    const handRaises = handRaisesOf(decision.lead);
    decision.guard(
      [attempts, responses, handRaises].some((facts) => since(facts, start).length > 0),
      'NO_CONTACT_RECORDED',
      'nobody has spoken with this person in this cycle',
    );
  }

  const { lead } = decision;
  const { openHandoff } = lead;
  const byEventId = decision.nextEventId;
  const teamId = skips ? decision.teamId : lead.teamId;
  const ownerId = skips && !byPolicy && !decision.isImport ? (lead.ownerId ?? personId) : lead.ownerId;
  const clocks: LeadEvent[] = [...decision.stop(decision.clock('contact_cadence'), byEventId)];
  if (skips) {
    if (openHandoff !== null) {
      clocks.push(
        ...(byPolicy
          ? decision.cancel('withdrawn', ['handoff_response'])
          : decision.stop(decision.clock('handoff_response'), byEventId)),
      );
    }
    if (state === 'RECYCLED') clocks.push(...decision.stop(decision.clock('recycle_reengagement'), byEventId));
    const contacted = since(lead.attempts, cycleSince(lead)).some(({ qualifies }) => qualifies);
    if (!contacted && teamId !== null) {
      clocks.push(...decision.startClock('first_contact', decision.atMs, teamId, ownerId));
    }
  }
  decision.move(
    'MarkedSQL',
    'SQL',
    {
      qualification: snapshot(decision),
      mode: byPolicy || (context.actor.role === 'system' && !decision.isImport) ? 'auto' : 'manual',
      ...scoreSnapshot(standing(decision)),
      override,
      implicitAcceptance: skips && openHandoff !== null && !byPolicy,
      handoffId: skips ? openHandoff?.handoffId : undefined,
    },
    { ownerId, teamId, clocks, skippedStages: skips ? stagesBetween(state, 'SQL') : [], skipRule },
  );
  exitNurture(decision, 'qualified');
}

/** Which rule lets this lead skip acceptance (T10). */
function skipRuleFor(decision: Decision, asked: string | undefined): string {
  const { atMs, context, isImport, lead, pipeline, state } = decision;
  const refused = () =>
    new LeadError('STAGE_SKIP_NOT_ALLOWED', `no skip rule lets a lead go from ${state} to SQL`, {
      skippedStages: stagesBetween(state, 'SQL'),
      skipRules: pipeline.skipRules,
    });
  if (isImport) return 'import_unrecorded';
  if (asked === 'auto_sql_score') {
    // A policy's to ask for, also on the way of somebody's command.
    if (pipeline.autoSql && (context.actor.role === 'system' || decision.actingPolicy !== null)) return asked;
    throw refused();
  }
  if (asked === undefined && state === 'MQL' && !pipeline.requireSAL) return 'sal_not_required';
  if ((asked ?? 'inbound_hand_raise') !== 'inbound_hand_raise' || !pipeline.skipRules.includes('inbound_hand_raise')) {
    throw refused();
  }
  if (!freshHandRaise(lead, pipeline, atMs)) throw refused();
  return 'inbound_hand_raise';
}

/** T9: the checklist, or a manager's override. */
function qualificationGuard(
  decision: Decision,
  override: { readonly reason: string } | undefined,
): LeadEventData<'MarkedSQL'>['override'] {
  const missing = missingAnswers(decision);
  if (missing.length === 0) return undefined;
  if (override !== undefined) {
    requireOverride(decision, override);
    return { by: decision.personId, reason: override.reason };
  }
  decision.guard(false, 'QUALIFICATION_INCOMPLETE', `not confirmed with evidence: ${missing.join(', ')}`, { missing });
  return undefined;
}

/** @throws LeadError FORBIDDEN_ROLE, REASON_REQUIRED */
export function requireOverride(decision: Decision, { reason }: { readonly reason: string }): void {
  if (!decision.isManager) {
    throw new LeadError('FORBIDDEN_ROLE', 'only a manager overrides', { required: ['sales_manager'] });
  }
  decision.guard(reason.trim() !== '', 'REASON_REQUIRED', 'an override says why', { field: 'override.reason' });
}

/** In the order of spec T9: a yes counts with evidence, timing must be known. */
function missingAnswers({ lead: { qualification } }: Decision): QualificationQuestion[] {
  return QUALIFICATION_QUESTIONS.filter((question) => {
    const answer = qualification[question];
    if (question === 'timing') return answer === undefined || answer.value === 'unknown';
    return answer?.value !== 'yes' || !answer.evidenced;
  });
}

function snapshot({ lead: { qualification } }: Decision): LeadEventData<'MarkedSQL'>['qualification'] {
  const value = (question: QualificationQuestion) => qualification[question]?.value ?? 'unknown';
  return {
    interest: value('interest'),
    need: value('need'),
    budget: value('budget'),
    authority: value('authority'),
    timing: value('timing'),
  };
}
