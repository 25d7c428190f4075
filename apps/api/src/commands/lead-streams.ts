import { EventCodec } from '#libs/event-log/src/codec.js';
import type { EventLog, JsonObject, NewEvent, RecordedEvent } from '#libs/event-log/src/event-log.js';
import {
  type CommandRuntime,
  type EventEnvelope,
  type FoldedStream,
  Turns,
} from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import { LruMap } from '#libs/event-log/src/lru-map.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import type { AccountFacts } from '#libs/lead/src/account-facts.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { leadEventSchemas, type LeadEvent, personalFields } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import type { RoutingDesk } from '#libs/lead/src/routing-desk.js';
import { clockEventIdName } from '#libs/lead/src/sla-clocks.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { leadEventVersions, leadUpcasters } from '#libs/lead/src/upcasters.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { ModelBook } from '#libs/scoring/src/model-book.js';
import type { KeyVault } from '#libs/privacy/src/key-vault.js';
import type { RepLoads } from '../routing/rep-loads.js';
import { PrivacyError } from '#libs/privacy/src/privacy-error.js';
import { type DataKey, open, seal, SealedFields, withoutSealed } from '#libs/privacy/src/sealed-fields.js';

/** Where a command came from (spec §2.3 `source`). */
export type CommandSource = EventMetadata['source'];

/** What goes into the metadata of every event of one command. */
export interface CommandOrigin {
  readonly commandId: string;
  readonly commandHash: string;
  readonly actor: Actor;
  readonly source: CommandSource;
  readonly correlationId?: string;
  /** The command or event that made this command necessary; default: the command itself. */
  readonly causationId?: string;
  /** The account that the command asks about, read before it is decided; null: there is no such account. */
  readonly account?: AccountFacts | null;
  /** What routing knows of other leads, read before the command is decided. */
  readonly routing?: RoutingDesk;
}

export interface LeadStreamsOptions {
  readonly log: EventLog;
  readonly vault: KeyVault;
  readonly policies: PolicyBook;
  readonly models: ModelBook;
  readonly clock: Clock;
  /** Events say themselves when they were recorded: the store's own time is not the test clock's. */
  readonly testClock?: boolean;
  /** Folded leads kept in memory (default 1,000, about 7 KB each). */
  readonly cacheSize?: number;
  /** Absent: nothing is routed. */
  readonly repLoads?: RepLoads;
}

/** Those being worked on. Of more the young generation would have to copy many that are never asked for again. */
const CACHED_LEADS = 1_000;

export const leadStream = (leadId: string): string => `lead-${leadId}`;

const codec = new EventCodec({ schemas: leadEventSchemas, versions: leadEventVersions, upcasters: leadUpcasters });
const sealedFields = new SealedFields(leadEventSchemas, (schema) => personalFields.has(schema));

/** Leads as the log holds them: sealed, with metadata; and back. The only place of the command side that opens seals. */
export class LeadStreams {
  readonly runtime: CommandRuntime<LeadState, LeadEvent>;

  constructor(private readonly options: LeadStreamsOptions) {
    const { clock, log } = options;
    this.runtime = {
      log,
      fold: {
        initial: (stream) => initialLead(leadIdOf(stream)),
        evolve: (state, event, envelope) => this.#evolve(state, event, envelope),
        read: (stream, events) => this.open(leadIdOf(stream), events),
      },
      cache: new LruMap<string, FoldedStream<LeadState>>(options.cacheSize ?? CACHED_LEADS),
      turns: new Turns(),
      nowMs: () => clock.nowMs(),
    };
  }

  /**
   * Today's form of a lead's events with their personal fields; without those when the lead's key is gone (erased).
   * Errors: PrivacyError, EventCodecError, EventLogError.
   */
  open(leadId: string, events: readonly RecordedEvent[]): LeadEvent[] | Promise<LeadEvent[]> {
    if (!events.some(({ data }) => data.sealed !== undefined)) return events.map((event) => decoded(event, null));
    const key = this.options.vault.cached(leadId);
    if (key !== undefined) return events.map((event) => decoded(event, key));
    return this.options.vault.existing(leadId).then((found) => events.map((event) => decoded(event, found)));
  }

  /** The lead without its personal fields, for decisions that read none of them. Never to be kept for others. */
  foldPlain(leadId: string, events: readonly RecordedEvent[]): LeadState {
    let state = initialLead(leadId);
    for (const event of events) {
      const data = codec.lift(event, event.data.sealed === undefined ? event.data : withoutSealed(event.data));
      state = this.#evolve(state, { type: event.type, data } as unknown as LeadEvent, event);
    }
    return state;
  }

  /** False once the key is destroyed, and while nothing personal was ever written. */
  async hasKey(leadId: string): Promise<boolean> {
    return (await this.options.vault.existing(leadId)) !== null;
  }

  /** Whether any of these events carries a personal value. */
  needsKey(events: readonly LeadEvent[]): boolean {
    return events.some(({ type, data }) => sealedFields.carriesPersonal(type, data));
  }

  /** Sealed events ready to append; makes the lead's key when the first personal value comes and `given` is none. */
  write(
    leadId: string,
    events: readonly LeadEvent[],
    origin: CommandOrigin,
    state: LeadState,
    given?: DataKey,
  ): NewEvent[] | Promise<NewEvent[]> {
    this.options.repLoads?.expect(leadId, events);
    const parts = events.map(({ type, data }) => sealedFields.split(type, codec.encode(type, data)));
    const complete = (key: DataKey | null): NewEvent[] => {
      const metadata = this.metadata(origin, this.#policyRefs(events, state, origin));
      const actors = new Map<string, typeof metadata>();
      return events.map((event, ordinal) => {
        const { by, type } = event;
        const id = eventIdOf(event, origin.commandId, ordinal);
        const { personal, plain } = parts[ordinal]!;
        const version = codec.version(type);
        const acted = by === undefined ? metadata : policyMetadata(actors, metadata, by);
        const versioned = version === 1 ? acted : { ...acted, schemaVersion: version };
        if (personal === null || key === null) return { id, type, data: plain, metadata: versioned };
        const data = seal(plain, personal, key, `${leadId}/${id}`);
        return { id, type, data, metadata: { ...versioned, piiKeyId: key.keyId } };
      });
    };
    if (!parts.some(({ personal }) => personal !== null)) return complete(null);
    const key = given ?? this.options.vault.cached(leadId);
    if (key !== undefined) return complete(key);
    const envelope = { occurredAt: toIso(this.options.clock.nowMs()), metadata: this.metadata(origin, {}) };
    return this.options.vault.keyFor(leadId, envelope).then(complete);
  }

  /** Metadata of spec §2.3. */
  metadata(origin: CommandOrigin, policyRefs: EventMetadata['policyRefs']): JsonObject & EventMetadata {
    const { actor, causationId, commandHash, commandId, correlationId, source } = origin;
    return {
      schemaVersion: 1,
      commandId,
      commandHash,
      $correlationId: correlationId ?? commandId,
      $causationId: causationId ?? commandId,
      actor: {
        type: actor.type,
        id: actor.id,
        role: actor.role,
        ...(actor.onBehalfOf === undefined ? {} : { onBehalfOf: actor.onBehalfOf }),
      },
      source,
      tenantId: 'ledger',
      policyRefs,
      ...(this.options.testClock === true ? { recordedAt: toIso(this.options.clock.nowMs()) } : {}),
    };
  }

  #evolve(state: LeadState, event: LeadEvent, envelope: EventEnvelope): LeadState {
    const recordedAtMs = effectiveRecordedAtMs(envelope);
    const imported = (envelope.metadata as Partial<EventMetadata>).source?.importJobId !== undefined;
    return evolve(state, event, { eventId: envelope.id, revision: envelope.revision, recordedAtMs, imported });
  }

  /** Versions the events were decided under: their own where they name one, else those in force for the lead. */
  #policyRefs(events: readonly LeadEvent[], state: LeadState, { source }: CommandOrigin): EventMetadata['policyRefs'] {
    const { clock, policies } = this.options;
    const last = events.at(-1);
    // History is judged by what was in force when it happened.
    const atMs =
      source.importJobId === undefined || last === undefined ? clock.nowMs() : Date.parse(last.data.occurredAt);
    let leadType = state.leadType;
    let agreementVersion: number | undefined;
    let calendarVersion: number | undefined;
    let scoringModelVersion: number | undefined;
    for (const { type, data } of events) {
      if (type === 'LeadCaptured') leadType = data.leadType;
      if ('agreementVersion' in data) agreementVersion = data.agreementVersion;
      if ('calendarVersion' in data) calendarVersion = data.calendarVersion;
      if ('modelVersion' in data) scoringModelVersion = data.modelVersion;
    }
    const pipeline = policies.pipeline(leadType, atMs);
    // Whether an attempt counts, the agreement says; the event does not name it.
    if (agreementVersion === undefined && events.some(({ type }) => type === 'ContactAttempted'))
      agreementVersion = policies.agreementForTeam(state.teamId ?? pipeline.defaultTeamId, atMs)?.version;
    return {
      pipelineVersion: pipeline.version,
      ...(agreementVersion === undefined ? {} : { agreementVersion }),
      ...(scoringModelVersion === undefined ? {} : { scoringModelVersion }),
      ...(calendarVersion === undefined ? {} : { calendarVersion }),
    };
  }
}

/** One object for all events of one policy: the log writes what they share once. */
function policyMetadata<M extends EventMetadata>(actors: Map<string, M>, metadata: M, by: string): M {
  let own = actors.get(by);
  if (own === undefined) actors.set(by, (own = { ...metadata, actor: { type: 'system', id: by, role: 'system' } }));
  return own;
}

const leadIdOf = (stream: string): string => stream.slice('lead-'.length);

function decoded(event: RecordedEvent, key: DataKey | null): LeadEvent {
  let { data } = event;
  if (data.sealed !== undefined) {
    if (key === null) data = withoutSealed(data);
    else if (event.metadata.piiKeyId !== key.keyId)
      throw new PrivacyError('SEALED_WITH_OTHER_KEY', `${event.stream}/${event.revision} names another key`);
    else data = open(data, key, `${leadIdOf(event.stream)}/${event.id}`);
  }
  return { type: event.type, data: codec.decode(event, data) } as LeadEvent;
}

/** Breaches and levels have an id of their own: whoever notices one, and however often, it is the same event. */
function eventIdOf(event: LeadEvent, commandId: string, ordinal: number): string {
  const once = clockEventIdName(event);
  return once === null ? eventId(commandId, ordinal) : derivedId(once.name, once.namespace);
}
