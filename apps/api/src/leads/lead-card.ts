import { consentsOf, effectiveCapturedAtMs } from '#libs/lead/src/absorption.js';
import { commandActions, type Actor, type CommandName } from '#libs/lead/src/commands.js';
import { possibleCommands } from '#libs/lead/src/decide.js';
import { isOpenClock, type SlaClock } from '#libs/lead/src/sla-clocks.js';
import { mergeCard } from './merge-card.js';
import { profileCard } from './profile-card.js';
import { leadStatus, type LeadState } from '#libs/lead/src/state.js';
import { toIso } from '#libs/platform/src/clock.js';
import type { LeadAtMoment } from '../commands/lead-reader.js';

const PERSON_FIELDS = ['givenName', 'familyName', 'email', 'phone', 'postalAddress', 'birthYear', 'gender'] as const;
const iso = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : toIso(ms));
const field = (lead: LeadState, name: string): string | number | null => lead.details[name] ?? null;

/** What a person who works the lead sees of it. `withPersonal` false: without the fields that name somebody. */
export function leadCard({ lead, captured, revision, erased }: LeadAtMoment, caller: Actor, withPersonal: boolean) {
  const personal = withPersonal && !erased;
  const visit = lead.visits.at(-1);
  return {
    leadId: lead.leadId,
    revision,
    state: lead.state,
    leadStatus: leadStatus(lead),
    stateSince: lead.visits.length === 1 ? iso(effectiveCapturedAtMs(lead)) : iso(visit?.enteredAtMs),
    cycleNo: lead.cycleNo,
    ownerId: lead.ownerId,
    teamId: lead.teamId,
    leadType: lead.leadType,
    /** Whether the fields that name somebody are in this answer, left out for this caller's role, or gone for good. */
    personal: erased ? 'erased' : personal ? 'shown' : 'withheld',
    person: personal
      ? Object.fromEntries(PERSON_FIELDS.flatMap((name) => (name in lead.details ? [[name, lead.details[name]]] : [])))
      : {},
    jobTitle: personal ? field(lead, 'jobTitle') : null,
    location: {
      country: field(lead, 'country'),
      region: field(lead, 'region'),
      city: personal ? field(lead, 'city') : null,
    },
    timeZone: field(lead, 'timeZone'),
    companyName: field(lead, 'companyName'),
    accountId: lead.accountId,
    ...profileCard(lead, personal),
    /** Of the person: the capture of an absorbed duplicate may be the earlier one (spec §2.6). */
    capturedAt: iso(effectiveCapturedAtMs(lead)),
    ...mergeCard(lead),
    captureMethod: captured.captureMethod,
    source: captured.source,
    interest: {
      kind: captured.interest.kind,
      request: captured.interest.request ?? null,
      productLine: captured.interest.productLine ?? null,
      message: personal ? (captured.interest.message ?? null) : null,
    },
    consents: Object.fromEntries(consentsOf(lead)),
    twoWaySince: iso(lead.twoWaySinceMs),
    onHold:
      lead.onHold === null
        ? null
        : { reasonCode: lead.onHold.reasonCode, since: iso(lead.onHold.sinceMs), until: iso(lead.onHold.untilMs) },
    deferredUntil: iso(lead.deferredUntilMs),
    openHandoff:
      lead.openHandoff === null
        ? null
        : {
            handoffId: lead.openHandoff.handoffId,
            teamId: lead.openHandoff.teamId,
            ownerId: lead.openHandoff.ownerId,
            at: iso(lead.openHandoff.atMs),
          },
    qualification: Object.fromEntries(
      Object.entries(lead.qualification).map(([question, answer]) => [question, answer.value]),
    ),
    deal:
      lead.deal === null
        ? null
        : {
            dealId: lead.deal.dealId,
            status: lead.deal.status,
            stage: lead.deal.stage,
            amount: lead.deal.amount,
            verified: lead.deal.verified,
            decisionMaker:
              lead.deal.decisionMaker === null
                ? null
                : {
                    kind: lead.deal.decisionMaker.kind,
                    at: iso(lead.deal.decisionMaker.atMs),
                    previousLeadId: lead.deal.decisionMaker.previousLeadId,
                    newLeadId: lead.deal.decisionMaker.newLeadId,
                  },
            expectedCloseDate: lead.deal.expectedCloseDate,
            /** The challenge that the lead told, where the latest proposal leaves it out; null: nothing to compare. */
            challengesLeftOut: challengesLeftOut(lead),
          },
    nurture:
      lead.nurture === null
        ? null
        : {
            trackId: lead.nurture.trackId,
            trackKind: lead.nurture.trackKind,
            since: iso(lead.nurture.sinceMs),
            touches: lead.nurture.touches,
          },
    nurtureTouches: lead.nurtureTouches,
    attempts: lead.attempts.length,
    responses: lead.responses.length,
    visits: lead.visits.map((one, index) => ({
      state: one.state,
      cycleNo: one.cycleNo,
      enteredAt: iso(index === 0 ? effectiveCapturedAtMs(lead) : one.enteredAtMs),
      exitedAt: iso(one.exitedAtMs),
    })),
    clocks: [...lead.clocks.values()].map(clockCard),
    nextActions: nextActions(lead, caller),
  };
}

function challengesLeftOut({ deal, goal }: LeadState): string[] | null {
  if (deal === null || deal.proposals === 0 || goal === null) return null;
  return deal.challengesAddressed.includes(goal.challengeCode) ? [] : [goal.challengeCode];
}

function clockCard(clock: SlaClock) {
  return {
    clockId: clock.clockId,
    clockType: clock.clockType,
    /** Of a promised contact attempt: the step of its sequence. */
    stepNo: clock.stepNo ?? null,
    status: clock.status,
    open: isOpenClock(clock),
    startedAt: iso(clock.startedAtMs),
    dueAt: clock.status === 'paused' ? null : iso(clock.dueAtMs),
    warnAt: iso(clock.warnAtMs),
    levelsRaised: clock.levelsRaised,
    breachedAt: iso(clock.breachedAtMs),
    breachRetracted: clock.breachRetracted,
    stoppedAt: iso(clock.stoppedAtMs),
    outcome: clock.outcome ?? null,
    cancelReason: clock.cancelReason ?? null,
    ownerId: clock.ownerId ?? null,
    teamId: clock.teamId ?? null,
  };
}

/** What this caller may try next; the guards of each are asked when it is sent. */
export function nextActions(lead: LeadState, caller: Actor): { command: CommandName; action: string }[] {
  return possibleCommands(lead).flatMap((command) => {
    const { action, roles } = commandActions[command];
    if (action === null) return [];
    const mayGive = caller.role === 'admin' || (caller.role !== 'system' && roles.includes(caller.role));
    return mayGive ? [{ command, action }] : [];
  });
}
