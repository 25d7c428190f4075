import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { RowSink, Table } from './table.js';

/**
 * Turns events into rows, one event after the other in the order of the log. The same log gives the same rows wherever it is taken up:
 * no clock, no chance. It may remember the event before; a new encoder, which remembers nothing, begins after each interruption. An
 * event it throws at is passed over with all of this encoder's rows, and reported.
 */
export interface Encoder {
  readonly tables: readonly Table[];
  /** What it wants to see; `lead-` unless it says so. */
  readonly streamPrefixes?: readonly string[];
  encode(event: RecordedEvent, sink: RowSink): void | Promise<void>;
}

export interface EncoderContext {
  /** Events of one stream up to and with a revision: for the rare event that cannot be understood from itself. */
  readonly readStream: (stream: string, toRevision: number) => Promise<readonly RecordedEvent[]>;
}
