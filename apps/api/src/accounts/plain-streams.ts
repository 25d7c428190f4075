import { EventCodec } from '#libs/event-log/src/codec.js';
import type { EventLog, JsonObject, NewEvent, RecordedEvent } from '#libs/event-log/src/event-log.js';
import {
  type CommandOutcome,
  type CommandRuntime,
  type FoldedStream,
  handleCommand,
  loadStream,
  Turns,
} from '#libs/event-log/src/handle-command.js';
import { eventId } from '#libs/event-log/src/ids.js';
import { LruMap } from '#libs/event-log/src/lru-map.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { CommandOrigin } from '../commands/lead-streams.js';

/** Revisions of accounts are small: what one process works at a time fits in memory. */
const CACHED = 10_000;

interface TypedEvent {
  readonly type: string;
  readonly data: object;
}

export interface PlainStreamsOptions<State, Event> {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Events say themselves when they were recorded. */
  readonly testClock: boolean;
  /** Of the streams' names, with its dash. */
  readonly prefix: string;
  readonly schemas: ConstructorParameters<typeof EventCodec>[0]['schemas'];
  initial(id: string): State;
  evolve(state: State, event: Event): State;
}

/** Streams of one kind that hold nothing personal: folded, cached by revision, commanded like leads (spec §2.7). */
export class PlainStreams<State, Event extends TypedEvent> {
  readonly #runtime: CommandRuntime<State, Event>;
  readonly #codec: EventCodec;

  constructor(private readonly options: PlainStreamsOptions<State, Event>) {
    const { clock, log, prefix } = options;
    this.#codec = new EventCodec({ schemas: options.schemas });
    this.#runtime = {
      log,
      fold: {
        initial: (stream) => options.initial(stream.slice(prefix.length)),
        evolve: (state, event) => options.evolve(state, event),
        read: (_stream, events) => events.map((event) => this.read(event)),
      },
      cache: new LruMap<string, FoldedStream<State>>(CACHED),
      turns: new Turns(),
      nowMs: () => clock.nowMs(),
    };
  }

  /** As far as the log has it now. Errors: EventLogError, EventCodecError. */
  load(id: string): Promise<FoldedStream<State>> {
    return loadStream(this.#runtime, this.options.prefix + id);
  }

  /** Today's form of a stored event. */
  read(event: RecordedEvent): Event {
    return { type: event.type, data: this.#codec.decode(event, event.data) } as unknown as Event;
  }

  /** Errors: those of `decide`; CommandError, EventLogError. */
  handle(
    id: string,
    origin: CommandOrigin,
    expectedRevision: number | undefined,
    decide: (state: State) => readonly Event[],
  ): Promise<CommandOutcome<State>> {
    return handleCommand(this.#runtime, {
      stream: this.options.prefix + id,
      commandId: origin.commandId,
      commandHash: origin.commandHash,
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
      // What is said of a company or a campaign holds whatever else was said of it meanwhile.
      commutes: expectedRevision === undefined,
      decide,
      write: (events) => this.#write(events, origin),
    });
  }

  #write(events: readonly Event[], origin: CommandOrigin): NewEvent[] {
    const { actor, causationId, commandHash, commandId, correlationId, source } = origin;
    const metadata: JsonObject & EventMetadata = {
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
      policyRefs: {},
      ...(this.options.testClock ? { recordedAt: toIso(this.options.clock.nowMs()) } : {}),
    };
    return events.map(({ type, data }, ordinal) => ({
      id: eventId(commandId, ordinal),
      type,
      data: this.#codec.encode(type, data as JsonObject),
      metadata,
    }));
  }
}
