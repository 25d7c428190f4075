import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import type { Encoder, EncoderContext } from './encoders.js';
import { GrowingTables } from './growing-tables.js';
import { Encoding } from './history-keeper.js';

const PAGE = 1000;

/**
 * Tables in memory, straight from the log: for a past position, whose rows no file can tell apart. Goes on from where it was; as slow
 * as reading the log is. Errors: EventLogError.
 */
export class TablesOfLog {
  readonly tables = new GrowingTables();
  readonly #encoding: Encoding;
  readonly #streamPrefixes: readonly string[];

  constructor(
    private readonly log: EventLog,
    encodersOf: (context: EncoderContext) => readonly Encoder[],
  ) {
    const context: EncoderContext = {
      readStream: async (stream, toRevision) =>
        (await log.readStream(stream)).filter(({ revision }) => revision <= toRevision),
    };
    this.#encoding = new Encoding(() => encodersOf(context), undefined);
    this.#streamPrefixes = [
      ...new Set(encodersOf(context).flatMap(({ streamPrefixes = ['lead-'] }) => streamPrefixes)),
    ];
  }

  /** Folds on up to and with `position`, which is not before the last one. Others get their turn after each page. */
  async readTo(position: Position | null, signal?: AbortSignal): Promise<void> {
    const { tables } = this;
    while (position !== null && (tables.position === null || tables.position < position)) {
      signal?.throwIfAborted();
      const after = tables.position === null ? {} : { after: tables.position };
      const filter = { streamPrefixes: this.#streamPrefixes };
      const page = await this.log.readAll({ ...after, filter, limit: PAGE });
      const events = page.events.filter((event) => event.position <= position);
      const mark = tables.extent();
      await this.#encoding.encode(events, tables, () => tables.truncate(mark));
      tables.position = page.next === null || page.next > position ? position : page.next;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
