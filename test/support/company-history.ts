import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { buildScoringHistory } from '#libs/history/src/build-scoring-history.js';
import { scoringEncoder } from '#libs/history/src/encode-scoring.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import type { ScoringHistory } from '#libs/history/src/scoring-history.js';
import { scoringInForce, type ScoringInForce } from '#libs/history/src/scoring-in-force.js';

/** A log in memory by its streams. */
export interface LogByStream {
  readonly configuration: readonly RecordedEvent[];
  readonly leads: ReadonlyMap<string, readonly RecordedEvent[]>;
}

export function byStream(log: readonly RecordedEvent[]): LogByStream {
  const leads = new Map<string, RecordedEvent[]>();
  const configuration: RecordedEvent[] = [];
  for (const event of log) {
    if (!event.stream.startsWith('lead-')) {
      configuration.push(event);
      continue;
    }
    const stream = leads.get(event.stream);
    if (stream === undefined) leads.set(event.stream, [event]);
    else stream.push(event);
  }
  return { configuration, leads };
}

/** The rows of a log's leads. `restartEvery`: so many events a new encoder goes on, as after a crash. */
export async function scoringTables(
  log: readonly RecordedEvent[],
  { leads }: LogByStream,
  restartEvery = Infinity,
): Promise<GrowingTables> {
  const tables = new GrowingTables();
  const context = {
    readStream: (stream: string, toRevision: number) => Promise.resolve(leads.get(stream)!.slice(0, toRevision + 1)),
  };
  let encoder = scoringEncoder(context);
  let encoded = 0;
  for (const event of log) {
    if (!event.stream.startsWith('lead-')) continue;
    if (++encoded % restartEvery === 0) encoder = scoringEncoder(context);
    await encoder.encode(event, tables);
  }
  return tables;
}

/** What a log's scoring history says of the models that were in force in it. */
export async function scoringInForceOf(
  log: readonly RecordedEvent[],
): Promise<ScoringInForce & { readonly history: ScoringHistory }> {
  const streams = byStream(log);
  const history = buildScoringHistory(await scoringTables(log, streams));
  const { configuration, leads } = streams;
  return { history, ...(await scoringInForce({ history, configuration, streams: leads.values() })) };
}
