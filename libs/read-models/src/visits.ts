import type { LeadStateName } from '#libs/lead/src/states.js';
import { type ActorTuple, basisOf, holdMsOf, isOnHold, type LeadRow } from './lead-row.js';
import { enteredMsOf } from './merges.js';

/** One stay of a lead in one state (spec §1 Visit), for who analyses them elsewhere. No personal data. */
export interface VisitItem {
  readonly leadId: string;
  readonly visitNo: number;
  readonly cycleNo: number;
  readonly state: LeadStateName;
  readonly enteredAt: string;
  /** Null while it lasts. */
  readonly exitedAt: string | null;
  readonly exitedTo: LeadStateName | null;
  /** Seconds on hold inside a completed visit; of the one that lasts null. */
  readonly holdS: number | null;
  readonly onHold: boolean;
  /** The transition that opened it. */
  readonly type: string;
  readonly eventId: string;
  readonly recordedAt: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly actorRole: string;
  readonly onBehalfOf: string | null;
  readonly reason: string | null;
  readonly skippedStages: readonly LeadStateName[];
  readonly skipRule: string | null;
  readonly source: string | null;
  readonly channel: string | null;
  readonly campaign: string | null;
  readonly leadType: string | null;
  readonly country: string | null;
  readonly captureMethod: string | null;
  /** What had qualified the lead by then. */
  readonly basis: string | null;
  /** The lead's team and owner now. */
  readonly teamId: string | null;
  readonly ownerId: string | null;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** The standing visits of a lead, in order. */
export function visitsOf(row: LeadRow): VisitItem[] {
  const { campaign, captureMethod, channel, country, leadId, leadType, owner, source, team, visits } = row;
  return visits.map((visit, index): VisitItem => {
    const next = visits[index + 1];
    const [actorType, actorId, actorRole, onBehalfOf] = row.actors[visit.actor] as ActorTuple;
    return {
      leadId,
      visitNo: index + 1,
      cycleNo: visit.cycle,
      state: visit.state,
      enteredAt: iso(enteredMsOf(row, index)),
      exitedAt: next === undefined ? null : iso(enteredMsOf(row, index + 1)),
      exitedTo: next?.state ?? null,
      holdS: next === undefined ? null : Math.floor(holdMsOf(row, index) / 1000),
      onHold: next === undefined && isOnHold(row),
      type: visit.type,
      eventId: visit.eventId,
      recordedAt: iso(visit.recordedMs),
      actorType,
      actorId,
      actorRole,
      onBehalfOf,
      reason: visit.more?.reason ?? null,
      skippedStages: visit.more?.skipped ?? [],
      skipRule: visit.more?.skipRule ?? null,
      source,
      channel,
      campaign,
      leadType,
      country,
      captureMethod,
      basis: basisOf(row, index),
      teamId: team,
      ownerId: owner,
    };
  });
}
