import type { EventLog, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import type { LeadEvent, LeadEventData } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { toIso } from '#libs/platform/src/clock.js';
import { leadStream, type LeadStreams } from './lead-streams.js';

/** Spec §8.3: what was so at `asOfMs`, as far as it was known at `knownAtMs`; both default to now. */
export interface Moment {
  readonly asOfMs?: number;
  readonly knownAtMs?: number;
}

/** A lead as its own stream tells it, personal fields opened. */
export interface LeadAtMoment {
  readonly leadId: string;
  readonly lead: LeadState;
  /** Source, interest, role … of the capture. */
  readonly captured: LeadEventData<'LeadCaptured'>;
  /** Of the last event known then, also when it lies beyond `asOf`. */
  readonly revision: number;
  readonly position: Position;
  /** The lead's key is destroyed: names and addresses are gone for good. */
  readonly erased: boolean;
}

/** One line of the audit trail (spec §3.5, §8.2): who, when, why, from where to where, under which policies. */
export interface TimelineEntry {
  readonly eventId: string;
  readonly type: string;
  readonly revision: number;
  readonly position: Position;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly actor: EventMetadata['actor'];
  readonly source: EventMetadata['source'];
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly fromState?: LeadStateName | null;
  readonly toState?: LeadStateName;
  readonly reasonCode?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly policyRefs: EventMetadata['policyRefs'];
  /** A later correction took this transition, or this merge, back. */
  readonly voided?: true;
  /** The whole payload, personal fields opened. */
  readonly data: LeadEvent['data'];
}

interface Told {
  readonly recorded: RecordedEvent;
  readonly event: LeadEvent;
  /** Corrected where a correction is known. */
  readonly occurredAt: string;
  readonly voided: boolean;
}

/** One lead read from the log, at any moment: the only view with personal data, and never behind. */
export class LeadReader {
  constructor(
    private readonly log: EventLog,
    private readonly streams: LeadStreams,
  ) {}

  /** Null when there was no such lead at that moment. Errors: EventLogError, PrivacyError. */
  async lead(leadId: string, moment: Moment = {}): Promise<LeadAtMoment | null> {
    const known = await this.#known(leadId, moment);
    const last = known.at(-1);
    if (last === undefined) return null;
    let lead = initialLead(leadId);
    let captured: LeadEventData<'LeadCaptured'> | undefined;
    for (const { event, recorded } of toldAsOf(known, moment.asOfMs)) {
      if (event.type === 'LeadCaptured') captured ??= event.data;
      const { id, revision } = recorded;
      lead = evolve(lead, event, { eventId: id, revision, recordedAtMs: effectiveRecordedAtMs(recorded) });
    }
    if (captured === undefined) return null;
    const sealed = known.some(({ recorded }) => recorded.data.sealed !== undefined);
    const erased = sealed && !(await this.streams.hasKey(leadId));
    const { position, revision } = last.recorded;
    return { leadId, lead, captured, revision, position, erased };
  }

  /** In the order of the stream; empty when there was no such lead at that moment. */
  async timeline(leadId: string, moment: Moment = {}): Promise<TimelineEntry[]> {
    const asOfMs = moment.asOfMs ?? Number.POSITIVE_INFINITY;
    const known = await this.#known(leadId, moment);
    return known.filter(({ occurredAt }) => Date.parse(occurredAt) <= asOfMs).map(entryOf);
  }

  async #known(leadId: string, { knownAtMs = Number.POSITIVE_INFINITY }: Moment): Promise<Told[]> {
    const recorded = (await this.log.readStream(leadStream(leadId))).filter(
      (event) => effectiveRecordedAtMs(event) <= knownAtMs,
    );
    const events = await this.streams.open(leadId, recorded);
    const corrected = new Map<string, string>();
    const voided = new Set<string>();
    const unmerged = new Set<string>();
    for (const { data, type } of events) {
      if (type === 'MergeReverted') unmerged.add(data.mergeId);
      if (type === 'OccurredAtCorrected') corrected.set(data.correctedEventId, data.new);
      if (type === 'TransitionVoided') voided.add(data.voidedEventId);
    }
    return recorded.map((event, index) => {
      const told = events[index]!;
      const occurredAt = corrected.get(event.id) ?? told.data.occurredAt;
      const isUnmerged =
        (told.type === 'MergedInto' || told.type === 'DuplicateAbsorbed') && unmerged.has(told.data.mergeId);
      return { recorded: event, event: told, occurredAt, voided: voided.has(event.id) || isUnmerged };
    });
  }
}

/**
 * What to fold for a past moment. A correction known today but made after that moment counts as made then: a corrected time
 * stands in for the first one; the void of a transition (with the clock events of its append) and the taking back of a merge
 * are folded behind the rest.
 */
function toldAsOf(known: readonly Told[], asOfMs: number | undefined): readonly Told[] {
  if (asOfMs === undefined) return known;
  const isKept = ({ occurredAt }: Told) => Date.parse(occurredAt) <= asOfMs;
  const kept = known.filter(isKept);
  const ids = new Set(kept.map(({ recorded }) => recorded.id));
  const merges = new Set(kept.flatMap(({ event }) => ('mergeId' in event.data ? event.data.mergeId : [])));
  const takesBack = ({ data, type }: LeadEvent): boolean =>
    (type === 'TransitionVoided' && ids.has(data.voidedEventId)) ||
    (type === 'MergeReverted' && merges.has(data.mergeId));
  const laterVoids = new Set(
    known.filter((told) => !isKept(told) && takesBack(told.event)).map(({ recorded }) => recorded.metadata.commandId),
  );
  const undone = known.filter((told) => !isKept(told) && laterVoids.has(told.recorded.metadata.commandId));
  return [...kept.map(({ event, ...told }) => ({ ...told, event: timed(event, told.occurredAt) })), ...undone];
}

const timed = (event: LeadEvent, occurredAt: string): LeadEvent =>
  ({ ...event, data: { ...event.data, occurredAt } }) as LeadEvent;

function entryOf({ event, recorded, voided, occurredAt }: Told): TimelineEntry {
  const metadata = recorded.metadata as unknown as EventMetadata;
  const data = event.data as LeadEvent['data'] & Partial<Record<'reasonCode' | 'reason' | 'note', string>>;
  const { note, reason, reasonCode } = data;
  return {
    eventId: recorded.id,
    type: recorded.type,
    revision: recorded.revision,
    position: recorded.position,
    occurredAt,
    recordedAt: toIso(effectiveRecordedAtMs(recorded)),
    actor: metadata.actor,
    source: metadata.source,
    commandId: metadata.commandId,
    correlationId: metadata.$correlationId,
    causationId: metadata.$causationId,
    ...('toState' in data ? { fromState: data.fromState, toState: data.toState } : {}),
    ...(reasonCode === undefined ? {} : { reasonCode }),
    ...(reason === undefined ? {} : { reason }),
    ...(note === undefined ? {} : { note }),
    policyRefs: metadata.policyRefs,
    ...(voided ? { voided } : {}),
    data: event.data,
  };
}
