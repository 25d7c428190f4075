import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { JsonObject, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { positionOf } from '#libs/event-log/src/position.js';
import { ENCODING_VERSION, encodersOf } from '#libs/history/src/encoding.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import { tablesOf } from '#libs/history/src/history-keeper.js';
import { HistoryStore } from '#libs/history/src/history-store.js';
import type { RowSink } from '#libs/history/src/table.js';
import { appendGeneratedLeads } from '../support/generated-leads.js';
import { seededRandom } from '../support/seeded-steps.js';
import { median } from './median.js';

/** Some 12 events a lead, held in memory. */
const LEADS = 20_000;
const RUNS = 3;
const MIB = 2 ** 20;
const DAY = 86_400_000;
const FLUSH_EVENTS = 32_768;

export const bench = {
  name: 'history',

  /** What it costs to keep the log as columns, what they take on the disk, and how long a cold start waits for them. */
  async run(leads = LEADS): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'lead-ledger-history-bench-'));
    try {
      const events = await eventsOf(join(directory, 'log'), leads);
      console.log(`${events.length.toLocaleString('en')} events of ${leads.toLocaleString('en')} leads`);
      await encoding(events);
      await writing(events, join(directory, 'segments'));
      await loading(join(directory, 'segments'), events.length);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** Generated histories, each lead's at its own time of a year, as a live log mixes them: the same numbers every time. */
async function eventsOf(directory: string, leads: number): Promise<RecordedEvent[]> {
  const log = await EmbeddedLog.open({ dir: directory, clock: { nowMs: () => 0 } });
  try {
    await appendGeneratedLeads(log, leads);
    const from = cpuMs();
    const { events } = await log.readAll({ filter: { streamPrefixes: ['lead-'] }, limit: Infinity });
    console.log(
      `reading the log      ${perEvent(cpuMs() - from, events.length)} µs CPU an event (the read models read it too)`,
    );
    const chance = seededRandom(1);
    const shifts = new Map<string, number>();
    const appends = new Map<string, number>();
    const shifted = events.map((event) => {
      let shift = shifts.get(event.stream);
      if (shift === undefined) shifts.set(event.stream, (shift = Math.floor(chance() * 250 * DAY)));
      // One append is recorded in one go, some time after the hour that it was played at.
      const { commandId, recordedAt, ...metadata } = event.metadata as { commandId: string; recordedAt: string };
      let late = appends.get(commandId);
      if (late === undefined) appends.set(commandId, (late = Math.floor(chance() * 1_200_000)));
      const by = shift + late;
      const recordedAtMs = Date.parse(recordedAt) + by + Math.floor(late / 700_000);
      return { ...event, recordedAtMs, metadata: { ...metadata, commandId }, data: moved(event.data, by) };
    });
    return shifted
      .map((event, order) => ({ event, order }))
      .sort((one, other) => one.event.recordedAtMs - other.event.recordedAtMs || one.order - other.order)
      .map(({ event }, index) => ({ ...event, position: positionOf(index + 1) }));
  } finally {
    await log.close();
  }
}

/** All instants of the payload so much later. */
function moved(data: JsonObject, byMs: number): JsonObject {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/.test(value)
        ? new Date(Date.parse(value) + byMs).toISOString()
        : value,
    ]),
  );
}

/** Events → rows in memory, without reading, writing or compressing. */
async function encoding(events: readonly RecordedEvent[]): Promise<void> {
  const runs: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const tables = new GrowingTables();
    const from = cpuMs();
    await encode(events, tables, () => tables.dropRows(tables.extent()));
    runs.push(cpuMs() - from);
  }
  console.log(`rows                 ${perEvent(median(runs), events.length)} µs CPU an event`);
}

async function encode(
  events: readonly RecordedEvent[],
  sink: RowSink,
  flush: (to: RecordedEvent, events: number) => void | Promise<void>,
): Promise<void> {
  const encoders = encodersOf({ readStream: () => Promise.reject(new Error('not in this history')) });
  let pending = 0;
  for (const [index, event] of events.entries()) {
    for (const encoder of encoders) {
      const encoded = encoder.encode(event, sink);
      if (encoded !== undefined) await encoded;
    }
    pending += 1;
    if (pending < FLUSH_EVENTS && index < events.length - 1) continue;
    await flush(event, pending);
    pending = 0;
  }
}

async function writing(events: readonly RecordedEvent[], directory: string): Promise<void> {
  const store = await HistoryStore.open({ directory, tables: tablesOf(encodersOf), encodingVersion: ENCODING_VERSION });
  store.log = 'bench';
  let flushMs = 0;
  await encode(events, store.sink, async ({ position }, count) => {
    store.advance(store.position, position, count);
    const from = cpuMs();
    await store.flush();
    flushMs += cpuMs() - from;
  });
  const count = events.length;
  const { bytes, segments } = store.stats;
  const million = (size: number): string => ((size / MIB / count) * 1e6).toFixed(2);
  console.log(`files and merges     ${perEvent(flushMs, count)} µs CPU an event, partly on other threads`);
  console.log(`on the disk          ${million(bytes)} MiB per 1 M events, ${segments} segments; most of it:`);
  const largest = [...store.sizes].sort((one, other) => other[1] - one[1]).slice(0, 12);
  for (const [name, size] of largest) console.log(`  ${name.padEnd(32)} ${million(size)} MiB`);
}

async function loading(directory: string, count: number): Promise<void> {
  const tables = tablesOf(encodersOf);
  const runs: { verified: number; all: number; cpu: number }[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const from = performance.now();
    const cpu = cpuMs();
    const store = await HistoryStore.open({ directory, tables, encodingVersion: ENCODING_VERSION });
    const verified = performance.now() - from;
    await store.read();
    runs.push({ verified, all: performance.now() - from, cpu: cpuMs() - cpu });
  }
  const ms = (of: (run: (typeof runs)[number]) => number): number => median(runs.map(of));
  const tenMillion = ((ms(({ all }) => all) / count) * 1e4).toFixed(1);
  console.log(
    `cold load            ${ms(({ all }) => all).toFixed(0)} ms (${ms(({ verified }) => verified).toFixed(0)} ms of it verifying), ${ms(({ cpu }) => cpu).toFixed(0)} ms CPU; at this rate ${tenMillion} s for 10 M events`,
  );
}

const perEvent = (ms: number, events: number): string => ((ms * 1_000) / events).toFixed(2);

function cpuMs(): number {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1_000;
}
