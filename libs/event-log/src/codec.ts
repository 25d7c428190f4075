import type { z } from 'zod';
import type { JsonObject, RecordedEvent } from './event-log.js';

/** One step of a payload's history: data of `type` in version `from` as version `from + 1` (spec §4.6). Pure. */
export interface Upcaster {
  readonly type: string;
  readonly from: number;
  up(data: JsonObject): JsonObject;
}

export type EventCodecErrorCode = 'EVENT_INVALID' | 'EVENT_FROM_THE_FUTURE' | 'UPCASTER_MISSING';

/** An event that cannot be written or read; the message names event, field and rule, never a value. */
export class EventCodecError extends Error {
  override readonly name = 'EventCodecError';
  constructor(
    readonly code: EventCodecErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface CodecOptions {
  /** Schema of the newest version of each type. */
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  /** Newest version of the types that have one above 1. */
  readonly versions?: Readonly<Record<string, number>>;
  readonly upcasters?: readonly Upcaster[];
}

type Stored = Pick<RecordedEvent, 'type' | 'metadata' | 'stream' | 'revision'>;

const versionOf = ({ metadata: { schemaVersion } }: Stored): number =>
  typeof schemaVersion === 'number' ? schemaVersion : 1;
const placeOf = (event: Stored): string => `${event.type}@${versionOf(event)} at ${event.stream}/${event.revision}`;

/**
 * JSON of the log ↔ today's events. Reading: older versions are lifted step by step, unknown fields dropped, unknown
 * event types passed through untouched. Writing: an event that its own schema refuses is never written.
 * Sealed fields are opened before `decode` and sealed after `encode` (libs/privacy).
 */
export class EventCodec {
  readonly #upcasters = new Map<string, Upcaster>();

  constructor(private readonly options: CodecOptions) {
    for (const upcaster of options.upcasters ?? []) this.#upcasters.set(`${upcaster.type}@${upcaster.from}`, upcaster);
  }

  knows(type: string): boolean {
    return Object.hasOwn(this.options.schemas, type);
  }

  /** Version in which `type` is written today. */
  version(type: string): number {
    return this.options.versions?.[type] ?? 1;
  }

  /** Data to store. EVENT_INVALID: a mistake of ours, not of the caller. */
  encode(type: string, data: JsonObject): JsonObject {
    return this.#parse(type, data, () => `new ${type}`);
  }

  /** Today's form of an event's (opened) data. Errors: EVENT_INVALID, EVENT_FROM_THE_FUTURE, UPCASTER_MISSING. */
  decode(event: Stored, data: JsonObject): JsonObject {
    if (!this.knows(event.type)) return data;
    return this.#parse(event.type, this.lift(event, data), () => placeOf(event));
  }

  /**
   * As `decode`, but taken at its word: not compared with its schema, unknown fields stay. For those who go through many streams
   * and keep nothing of them; half of the time that reading takes goes into the comparison.
   */
  lift(event: Stored, data: JsonObject): JsonObject {
    if (!this.knows(event.type)) return data;
    const stored = versionOf(event);
    const current = this.version(event.type);
    if (stored > current)
      throw new EventCodecError(
        'EVENT_FROM_THE_FUTURE',
        `${placeOf(event)}: this program reads up to version ${current}`,
      );
    let lifted = data;
    for (let version = stored; version < current; version++) {
      const upcaster = this.#upcasters.get(`${event.type}@${version}`);
      if (upcaster === undefined)
        throw new EventCodecError('UPCASTER_MISSING', `${placeOf(event)}: no step from ${version}`);
      lifted = upcaster.up(lifted);
    }
    return lifted;
  }

  #parse(type: string, data: JsonObject, place: () => string): JsonObject {
    const schema = this.options.schemas[type];
    if (schema === undefined) throw new EventCodecError('EVENT_INVALID', `${place()}: unknown event type`);
    const parsed = schema.safeParse(data);
    if (parsed.success) return parsed.data as JsonObject;
    const { path, message } = parsed.error.issues[0]!;
    throw new EventCodecError('EVENT_INVALID', `${place()}: ${path.join('.')} ${message}`);
  }
}
