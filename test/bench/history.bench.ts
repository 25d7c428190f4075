import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { ENCODING_VERSION, encodersOf } from '#libs/history/src/encoding.js';
import { GrowingTables } from '#libs/history/src/growing-tables.js';
import { tablesOf } from '#libs/history/src/history-keeper.js';
import { HistoryStore } from '#libs/history/src/history-store.js';
import { appendGeneratedLeads } from '../support/generated-leads.js';
import { median } from './median.js';

/** Some 10 events a lead; `--leads=1000000` is the size of the targets and takes as many minutes as GiB. */
const LEADS = 50_000;
const RUNS = 3;
const MIB = 2 ** 20;
const clock = { nowMs: () => 0 };

export const bench = {
  name: 'history',

  async run(leads = LEADS): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'lead-ledger-history-bench-'));
    try {
      await columnsOfALog(directory, leads);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** What it costs to keep the history up to date, what it takes on the disk, and how long a cold start waits for it. */
async function columnsOfALog(directory: string, leads: number): Promise<void> {
  const log = await EmbeddedLog.open({ dir: join(directory, 'log'), clock });
  try {
    const count = await appendGeneratedLeads(log, leads);
    console.log(`${count.toLocaleString('en')} events of ${leads.toLocaleString('en')} leads`);
    await encodingAlone(log);
    const segments = join(directory, 'segments');
    await writing(log, segments, count);
    await loading(segments, count);
  } finally {
    await log.close();
  }
}

/** Events already in memory → rows, without reading, writing or compressing. */
async function encodingAlone(log: EmbeddedLog): Promise<void> {
  const { events } = await log.readAll({ filter: { streamPrefixes: ['lead-'] }, limit: 100_000 });
  const runs: number[] = [];
  for (let run = 0; run < RUNS; run += 1) runs.push(await encode(events));
  console.log(`encoding rows        ${((median(runs) * 1_000) / events.length).toFixed(2)} µs CPU an event`);
}

async function encode(events: readonly RecordedEvent[]): Promise<number> {
  const encoders = encodersOf({ readStream: () => Promise.reject(new Error('not in this history')) });
  const tables = new GrowingTables();
  const from = cpuMs();
  for (const event of events) {
    for (const encoder of encoders) {
      const pending = encoder.encode(event, tables);
      if (pending !== undefined) await pending;
    }
  }
  return cpuMs() - from;
}

async function writing(log: EmbeddedLog, directory: string, count: number): Promise<void> {
  const tables = tablesOf(encodersOf);
  const store = await HistoryStore.open({ directory, tables, encodingVersion: ENCODING_VERSION });
  const encoders = encodersOf({ readStream: (stream) => log.readStream(stream) });
  store.log = 'bench';
  let readMs = 0;
  let flushMs = 0;
  const from = cpuMs();
  for (let after: string | undefined; ;) {
    const readFrom = cpuMs();
    const page = await log.readAll({
      ...(after === undefined ? {} : { after }),
      filter: { streamPrefixes: ['lead-'] },
      limit: 2_000,
    });
    readMs += cpuMs() - readFrom;
    for (const event of page.events)
      for (const encoder of encoders) {
        const pending = encoder.encode(event, store.sink);
        if (pending !== undefined) await pending;
      }
    const last = page.events.at(-1);
    if (last !== undefined) store.advance(store.position, last.position, page.events.length);
    if (store.stats.pendingEvents >= 32_768 || page.next === null) {
      const flushFrom = cpuMs();
      await store.flush();
      flushMs += cpuMs() - flushFrom;
    }
    if (page.next === null) break;
    after = page.next;
  }
  const perEvent = (ms: number): string => ((ms * 1_000) / count).toFixed(2);
  const { bytes, segments } = store.stats;
  console.log(`reading the log      ${perEvent(readMs)} µs CPU an event`);
  console.log(
    `rows, files, merges  ${perEvent(cpuMs() - from - readMs)} µs CPU an event, ${perEvent(flushMs)} of them files and merges`,
  );
  console.log(
    `on the disk          ${((bytes / MIB / count) * 1e6).toFixed(2)} MiB per 1 M events, ${segments} segments`,
  );
  for (const [name, size] of [...store.sizes].sort((one, other) => other[1] - one[1]).slice(0, 30))
    console.log(`  ${name.padEnd(34)} ${((size / MIB / count) * 1e6).toFixed(3)} MiB`);
}

async function loading(directory: string, count: number): Promise<void> {
  const tables = tablesOf(encodersOf);
  const from = performance.now();
  const fromCpu = cpuMs();
  const store = await HistoryStore.open({ directory, tables, encodingVersion: ENCODING_VERSION });
  const opened = performance.now();
  const read = await store.read();
  const seconds = (performance.now() - from) / 1_000;
  const scale = 1e7 / count;
  const rows = tables.reduce((sum, table) => sum + read.table(table).rows, 0);
  console.log(
    `cold load            ${seconds.toFixed(2)} s (${((opened - from) / 1_000).toFixed(2)} s verifying), ${((cpuMs() - fromCpu) / 1_000).toFixed(2)} s CPU, ${rows.toLocaleString('en')} rows; ${(seconds * scale).toFixed(1)} s for 10 M events`,
  );
}

function cpuMs(): number {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1_000;
}
