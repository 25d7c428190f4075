import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { LeadEvent, LeadEventType } from '#libs/lead/src/events.js';
import { CYCLE_ENDING, type LeadStateName } from '#libs/lead/src/states.js';
import type { Encoder } from './encoders.js';
import type { Dictionary, RowSink } from './table.js';
import {
  AGREEMENT,
  CALENDAR,
  CLOCK_DETAIL,
  CLOCK_FACT,
  CLOCK_TYPE,
  type ClockFact,
  clockFacts,
  clockPromises,
  FLAGS,
  OWNER,
  TEAM,
} from './tables-clocks.js';

/** Every event that starts, pauses, ends or judges an SLA clock as rows. Each event says all of it: none is looked up elsewhere. */
export const clocksEncoder: Encoder = {
  tables: [clockPromises, clockFacts],
  encode(event, sink) {
    if (!isAboutClocks(event)) return;
    new ClockRows(event, sink).encode(event as unknown as LeadEvent);
  },
};

/** Moves are known by their fields: each may end a hold, or start or end a promise. A capture does neither. */
const isAboutClocks = ({ data, type }: RecordedEvent): boolean =>
  ABOUT_CLOCKS.has(type as LeadEventType) ||
  (data.toState !== undefined && data.toState !== data.fromState && data.fromState !== null);

const ABOUT_CLOCKS: ReadonlySet<LeadEventType> = new Set([
  'SlaClockStarted',
  'SlaClockRebased',
  'SlaWarningRaised',
  'SlaBreached',
  'SlaEscalated',
  'SlaClockPaused',
  'SlaClockResumed',
  'SlaClockStopped',
  'SlaClockCancelled',
  'SlaBreachRetracted',
  'PutOnHold',
  'ResumedFromHold',
  'ContactDeferred',
  'OwnerAssigned',
  'HandedOffToSales',
  'TransitionVoided',
  'MergeReverted',
  'ContactAttempted',
  'LeadResponded',
  'MeetingHeld',
  'EnrolledInNurture',
  'NurtureTouchSent',
  'PostSaleFollowUpLogged',
]);

interface FactFields {
  readonly clockId?: string;
  readonly limitAt?: string | undefined;
  readonly ownerId?: string | null | undefined;
  readonly teamId?: string | null | undefined;
  readonly detail?: string;
  readonly evidenceEventId?: string;
  readonly flags?: number;
}

class ClockRows {
  readonly #lead: number;
  readonly #recordedAtMs: number;
  readonly #imported: number;
  readonly #facts: Dictionary;

  constructor(
    private readonly event: RecordedEvent,
    private readonly sink: RowSink,
  ) {
    this.#lead = sink.leadIndex(event.stream.slice('lead-'.length));
    this.#recordedAtMs = effectiveRecordedAtMs(event);
    const source = event.metadata.source as { readonly importJobId?: string } | undefined;
    this.#imported = source?.importJobId === undefined ? 0 : FLAGS.imported;
    this.#facts = sink.dictionary(CLOCK_FACT);
  }

  encode({ data, type }: LeadEvent): void {
    switch (type) {
      case 'SlaClockStarted':
        return this.#promise('started', data.startedAt, data.clockType, data.dueAt, data);
      case 'SlaClockRebased':
        return this.#promise('rebased', data.newStartedAt, null, data.newDueAt, data);
      case 'SlaWarningRaised':
        return this.#fact('warned', data.occurredAt, { clockId: data.clockId });
      case 'SlaBreached':
        return this.#fact('breached', data.occurredAt, { ...data, limitAt: data.dueAt, detail: data.detectedBy });
      case 'SlaEscalated':
        return this.#fact('escalated', data.occurredAt, { clockId: data.clockId, detail: data.toRole });
      case 'SlaClockPaused':
        return this.#fact('paused', data.occurredAt, { ...data, limitAt: data.until, detail: data.reason });
      case 'SlaClockResumed':
        return this.#fact('resumed', data.occurredAt, { clockId: data.clockId, limitAt: data.newDueAt });
      case 'SlaClockStopped':
        return this.#fact('stopped', data.stoppedAt, {
          clockId: data.clockId,
          detail: data.outcome,
          evidenceEventId: data.byEventId,
        });
      case 'SlaClockCancelled':
        return this.#fact('cancelled', data.occurredAt, { clockId: data.clockId, detail: data.reason });
      case 'SlaBreachRetracted':
        return this.#fact('retracted', data.occurredAt, {
          clockId: data.clockId,
          detail: data.reason,
          evidenceEventId: data.evidenceEventId,
          flags: data.approvedBy === undefined ? 0 : FLAGS.approved,
        });
      case 'PutOnHold':
        return this.#fact('held', data.occurredAt, {});
      case 'ResumedFromHold':
        return this.#fact('released', data.occurredAt, {});
      case 'ContactDeferred':
        if (data.requestedBy === 'lead') this.#fact('deferred', data.occurredAt, { limitAt: data.until });
        return;
      case 'OwnerAssigned':
        return this.#fact('assigned', data.occurredAt, { ownerId: data.ownerId, teamId: data.teamId });
      case 'HandedOffToSales':
        return this.#fact('handed_off', data.occurredAt, { ownerId: data.ownerId, teamId: data.teamId });
      case 'TransitionVoided':
        this.#fact('voided', data.occurredAt, {
          ownerId: data.ownerId,
          teamId: data.teamId,
          detail: data.restoredState,
        });
        for (const clockId of data.reopenedClockIds ?? []) this.#fact('reopened', data.occurredAt, { clockId });
        return;
      case 'MergeReverted':
        if (data.restoredState !== undefined) this.#fact('unmerged', data.occurredAt, { detail: data.restoredState });
        for (const clockId of data.reopenedClockIds ?? []) this.#fact('uncancelled', data.occurredAt, { clockId });
        return;
      case 'ContactAttempted':
        if (data.qualifies)
          this.#evidence('contacted', data.occurredAt, data.outcome === 'connected' ? 'connected' : 'attempted');
        return;
      case 'LeadResponded':
        return this.#evidence('answered', data.occurredAt);
      case 'MeetingHeld':
        if (data.outcome !== 'no_show') this.#evidence('answered', data.occurredAt);
        return;
      case 'EnrolledInNurture':
      case 'NurtureTouchSent':
        return this.#evidence('nurtured', data.occurredAt);
      case 'PostSaleFollowUpLogged':
        return this.#evidence('followed_up', data.occurredAt);
      default: {
        const move = data as {
          readonly fromState: LeadStateName;
          readonly toState: LeadStateName;
          readonly implicitAcceptance?: boolean;
          readonly ownerId?: string;
          readonly teamId?: string;
        };
        const { ownerId, teamId } = move;
        const skips = type === 'MarkedSQL' && move.fromState !== 'SAL';
        const flags =
          (move.implicitAcceptance === true ? FLAGS.implicitAcceptance : 0) |
          (skips ? FLAGS.skipped : 0) |
          (CYCLE_ENDING.has(move.toState) ? FLAGS.leaves : 0);
        return this.#fact('moved', data.occurredAt, { ownerId, teamId, detail: type, flags });
      }
    }
  }

  #promise(
    fact: ClockFact,
    startedAt: string | undefined,
    clockType: string | null,
    dueAt: string,
    data: Extract<LeadEvent, { type: 'SlaClockStarted' | 'SlaClockRebased' }>['data'],
  ): void {
    const { sink } = this;
    const responsible = data as { readonly ownerId?: string; readonly teamId?: string };
    sink.row(
      clockPromises,
      this.#lead,
      this.event.revision,
      this.#facts.codeOf(fact),
      this.#recordedAtMs,
      instant(startedAt),
      clockNumber(data.clockId),
      sink.dictionary(CLOCK_TYPE).codeOf(clockType),
      sink.dictionary(AGREEMENT).codeOf(data.agreementId),
      data.agreementVersion,
      sink.dictionary(CALENDAR).codeOf(data.calendarId),
      data.calendarVersion,
      data.targetOpenS,
      instant(dueAt),
      sink.dictionary(OWNER).codeOf(responsible.ownerId),
      sink.dictionary(TEAM).codeOf(responsible.teamId),
    );
  }

  #evidence(fact: ClockFact, occurredAt: string, detail?: string): void {
    this.#fact(fact, occurredAt, { evidenceEventId: this.event.id, ...(detail === undefined ? {} : { detail }) });
  }

  #fact(fact: ClockFact, occurredAt: string, fields: FactFields): void {
    const { clockId, detail, evidenceEventId, flags = 0, limitAt, ownerId, teamId } = fields;
    const { sink } = this;
    sink.row(
      clockFacts,
      this.#lead,
      this.event.revision,
      this.#facts.codeOf(fact),
      this.#recordedAtMs,
      instant(occurredAt),
      clockId === undefined ? 0 : clockNumber(clockId),
      instant(limitAt),
      sink.dictionary(OWNER).codeOf(ownerId),
      sink.dictionary(TEAM).codeOf(teamId),
      sink.dictionary(CLOCK_DETAIL).codeOf(detail),
      evidenceEventId === undefined ? 0 : Math.floor(clockNumber(evidenceEventId) / 0x10000),
      flags | this.#imported,
    );
  }
}

const instant = (at: string | undefined): number => (at === undefined ? Number.NaN : Date.parse(at));

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/;

/**
 * 48 bits of the clock's id, never 0: enough to tell the few clocks of one lead apart, in a billion leads too, and readable back to
 * nothing. Ids of clocks are hashes themselves (uuid v5); of any other text the bits are mixed.
 */
export function clockNumber(id: string): number {
  if (UUID.test(id)) return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) || 1;
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let at = 0; at < id.length; at += 1) {
    low = Math.imul(low ^ id.charCodeAt(at), 0x01000193);
    high = Math.imul(high ^ low, 0x85ebca6b);
  }
  high ^= high >>> 15;
  return (high & 0xffff) * 0x100000000 + (low >>> 0) || 1;
}
