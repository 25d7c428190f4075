import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Position } from '#libs/event-log/src/event-log.js';
import { ListedLog } from '../../../test/support/listed-log.js';
import type { Encoder, EncoderContext } from './encoders.js';
import { HistoryKeeper, type KeeperNotice } from './history-keeper.js';
import { type HistoryNotice, HistoryStore } from './history-store.js';
import { receivedTables } from './sent-tables.js';
import type { HistoryTables, Table } from './table.js';

const VISITS: Table = {
  name: 'visits',
  about: 'Visits.',
  columns: [
    { name: 'lead', type: 'lead', about: 'Who.' },
    { name: 'at', type: 'instant', about: 'When.' },
    { name: 'until', type: 'instant', about: 'Until when.' },
    { name: 'page', type: 'code', dictionary: 'page', about: 'What.' },
    { name: 'count', type: 'u16', about: 'How often.' },
    { name: 'second', type: 'u32', about: 'When, in seconds.' },
    { name: 'around', type: 'u32', about: 'Mostly the same.' },
    { name: 'share', type: 'f64', about: 'Of something.' },
  ],
};
const NOTES: Table = {
  name: 'notes',
  about: 'Every event of a lead.',
  columns: [
    { name: 'lead', type: 'lead', about: 'Who.' },
    { name: 'again', type: 'u8', about: 'Whether a visit was before it.' },
  ],
};

const visitsEncoder: Encoder = {
  tables: [VISITS],
  encode(event, sink) {
    if (event.type === 'Unreadable') {
      sink.row(VISITS, sink.leadIndex('nobody'), 0, 0, sink.dictionary('page').codeOf('half told'), 0, 0, 0, 0);
      throw new Error('cannot be read');
    }
    if (event.type !== 'Visited') return;
    const { count, page, share, until } = event.data as { page: string; count: number; share: number; until?: number };
    const lead = sink.leadIndex(event.stream.slice('lead-'.length));
    const code = sink.dictionary('page').codeOf(page);
    const second = (count * 2_654_435_761) >>> 0;
    const around = count % 9 === 0 ? 0xffffffff - second : (second + (count % 3)) >>> 0;
    sink.row(VISITS, lead, event.recordedAtMs, until ?? NaN, code, count, second, around, share);
  },
};
/** Remembers the event before, and asks the log where it remembers none of the lead. */
const notesEncoder = ({ readStream }: EncoderContext): Encoder => {
  let before: { readonly stream: string; readonly type: string } | undefined;
  return {
    tables: [NOTES],
    async encode(event, sink) {
      const { revision, stream } = event;
      if (before?.stream !== stream)
        before = revision === 0 ? undefined : (await readStream(stream, revision - 1)).at(-1);
      sink.row(NOTES, sink.leadIndex(stream.slice('lead-'.length)), before?.type === 'Visited' ? 1 : 0);
      before = event;
    },
  };
};
const encodersOf = (context: EncoderContext): Encoder[] => [visitsEncoder, notesEncoder(context)];
const TABLES = [VISITS, NOTES];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'history-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Kept {
  readonly keeper: HistoryKeeper;
  readonly store: HistoryStore;
  readonly notices: (HistoryNotice | KeeperNotice)[];
}
async function keep(
  log: ListedLog,
  options: { full?: number; flushEvents?: number; version?: number } = {},
): Promise<Kept> {
  const notices: (HistoryNotice | KeeperNotice)[] = [];
  const onNotice = (notice: HistoryNotice | KeeperNotice): void => void notices.push(notice);
  const { flushEvents = 1_000, full = 64, version = 1 } = options;
  const store = await HistoryStore.open({
    directory,
    tables: TABLES,
    encodingVersion: version,
    onNotice,
    fullSegmentEvents: full,
  });
  const keeper = new HistoryKeeper({
    log,
    store,
    encodersOf,
    onNotice,
    flushEvents,
    flushEveryMs: 3_600_000,
    gatherMs: 0,
  });
  keeper.start();
  return { keeper, store, notices };
}
/** What was on the disk stays, nothing else is written. */
async function killed(keeper: HistoryKeeper): Promise<void> {
  const left = `${directory}-left`;
  cpSync(directory, left, { recursive: true });
  await keeper.stop();
  rmSync(directory, { recursive: true, force: true });
  renameSync(left, directory);
}
const head = (log: ListedLog): Position => (log.events.at(-1) as { position: Position }).position;

/** What everything says, in plain values. */
function told(tables: HistoryTables): object {
  const pages = tables.dictionary('page').values;
  return TABLES.map((table) => {
    const { columns, rows } = tables.table(table);
    return Array.from({ length: rows }, (_, row) =>
      table.columns.map(({ type }, index) => {
        const value = columns[index]?.[row] as number;
        return type === 'lead' ? tables.leadIds[value] : type === 'code' ? pages[value] : value;
      }),
    );
  });
}

/** Visits and other things of a few leads. */
const history = fc.array(
  fc.record({
    lead: fc.constantFrom('0192d1f0-0000-7000-8000-00000000000a', 'f3b1', 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'x'),
    type: fc.constantFrom('Visited', 'Visited', 'Noted', 'Unreadable'),
    page: fc.constantFrom('home', 'pricing', 'über uns', '', 'demo'),
    count: fc.nat(65_535),
    share: fc.oneof(fc.double({ noNaN: true }), fc.integer()),
    until: fc.option(fc.integer({ min: -8e15, max: 8e15 }), { nil: undefined }),
    elsewhere: fc.boolean(),
  }),
  { maxLength: 120 },
);
function listed(events: readonly (typeof history extends fc.Arbitrary<(infer One)[]> ? One : never)[]): ListedLog {
  const log = new ListedLog();
  for (const { elsewhere, lead, type, ...data } of events) {
    if (elsewhere) log.add('importjob-1', 'Visited', data);
    log.add(`lead-${lead}`, type, data);
  }
  return log;
}

describe('the history of a log', () => {
  it('says the same however the log was cut into batches, segments and lives of the process', async () => {
    const batches = fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 5 });
    const lives = fc.array(fc.integer({ min: 5, max: 60 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        history,
        batches,
        lives,
        fc.integer({ min: 1, max: 20 }),
        async (events, batchSizes, stops, flush) => {
          const whole = listed(events);
          if (whole.events.length === 0) return;
          const inOneGo = await keep(whole);
          await inOneGo.keeper.caughtUp(head(whole), 5_000);
          const expected = told(await inOneGo.keeper.read());
          const digest = await inOneGo.store.digest();
          await inOneGo.keeper.stop();
          rmSync(directory, { recursive: true, force: true });

          const log = new ListedLog();
          log.batchSizes = batchSizes;
          for (let done = 0, round = 0; done < whole.events.length; round += 1) {
            const stop = stops[round % stops.length] as number;
            log.events.push(...whole.events.slice(done, done + stop));
            done += stop;
            const { keeper } = await keep(log, { flushEvents: flush, full: 16 });
            expect(await keeper.caughtUp(head(log), 5_000)).toBe(true);
            if (round % 3 === 0) await killed(keeper);
            else await keeper.stop();
          }
          const { keeper, store, notices } = await keep(log);
          expect(await keeper.caughtUp(head(log), 5_000)).toBe(true);
          expect(notices.filter(({ kind }) => kind !== 'not_encoded')).toEqual([]);
          expect(told(await keeper.read())).toEqual(expected);
          expect(await store.digest()).toBe(digest);
          expect(await keeper.verify()).toMatchObject({ equal: true, kept: digest });
          await keeper.stop();
          rmSync(directory, { recursive: true, force: true });
        },
      ),
      { numRuns: 20 },
    );
  }, 60_000);
});

/** Thirty visits of a handful of leads, in segments of five events. */
async function visited(log: ListedLog): Promise<void> {
  for (let at = 0; at < 30; at += 1) {
    log.add(`lead-${'abcd'[at % 4]}`, 'Visited', { page: `page ${at % 7}`, count: at, share: at / 3 });
    if (at % 5 !== 4) continue;
    const { keeper } = await keep(log);
    await keeper.caughtUp(head(log), 5_000);
    await keeper.stop();
  }
}
const segments = (): string[] => readdirSync(directory).sort();

describe('segments of the history', () => {
  let log: ListedLog;
  beforeEach(async () => {
    log = new ListedLog();
    await visited(log);
  });

  const isWhole = async ({ keeper }: Kept): Promise<void> => {
    expect(await keeper.caughtUp(head(log), 5_000)).toBe(true);
    expect(await keeper.verify()).toMatchObject({ equal: true, position: head(log) });
    expect((await keeper.read()).table(VISITS).rows).toBe(30);
  };

  it.each([
    ['a flipped bit', (path: string) => writeFileSync(path, flipped(readFileSync(path)))],
    ['an end cut off', (path: string) => truncateSync(path, 100)],
    ['nothing in it', (path: string) => truncateSync(path, 0)],
    ['something else in it', (path: string) => writeFileSync(path, 'x'.repeat(4_000))],
  ])('are written again from one with %s on, which is named', async (_what, damage) => {
    const third = segments()[2] as string;
    damage(join(directory, third));
    const kept = await keep(log);
    expect(kept.notices).toMatchObject([{ kind: 'segment_dropped', segment: third, fallen: 3 }]);
    expect(kept.store.position).toBe(log.events[9]?.position);
    await isWhole(kept);
    await kept.keeper.stop();
  });

  it('are written again from a missing one on', async () => {
    rmSync(join(directory, segments()[2] as string));
    const kept = await keep(log);
    expect(kept.notices).toMatchObject([{ kind: 'segment_dropped', reason: 'is missing', fallen: 3 }]);
    await isWhole(kept);
    await kept.keeper.stop();
  });

  it('are written again when one is damaged while in use, and the reader gets all', async () => {
    const kept = await keep(log);
    await kept.keeper.caughtUp(head(log), 5_000);
    const second = join(directory, segments()[1] as string);
    writeFileSync(second, flipped(readFileSync(second)));
    await isWhole(kept);
    expect(kept.notices).toMatchObject([{ kind: 'segment_dropped', fallen: 4 }]);
    await kept.keeper.stop();
  });

  it('of another version or another log are not used', async () => {
    const other = await keep(log, { version: 2 });
    expect(other.notices).toMatchObject([{ kind: 'segment_dropped', reason: 'written by another version', fallen: 5 }]);
    await isWhole(other);
    await other.keeper.stop();
    const anew = new ListedLog();
    anew.add('lead-e', 'Visited', { page: 'home', count: 1, share: 0 });
    (anew.events[0] as { id: string }).id = 'the first of another log';
    const kept = await keep(anew, { version: 2 });
    expect(await kept.keeper.caughtUp(head(anew), 5_000)).toBe(true);
    expect(kept.notices).toContainEqual({ kind: 'other_log' });
    expect((await kept.keeper.read()).leadIds).toEqual(['e']);
    await kept.keeper.stop();
  });

  it('become one when there are many, and a merge that was cut short changes nothing', async () => {
    cpSync(directory, `${directory}-parts`, { recursive: true });
    for (let more = 0; more < 2; more += 1) {
      log.add('lead-b', 'Noted');
      const { keeper } = await keep(log);
      await keeper.caughtUp(head(log), 5_000);
      await keeper.stop();
    }
    expect(segments()).toHaveLength(1);
    const whole = segments();
    // As if the process had died before it took the parts away, and amid the next file.
    cpSync(`${directory}-parts`, directory, { recursive: true });
    writeFileSync(join(directory, `${whole[0]}.tmp`), 'half');
    rmSync(`${directory}-parts`, { recursive: true });
    const kept = await keep(log);
    expect(kept.notices).toEqual([]);
    expect(segments()).toEqual(whole);
    await kept.keeper.caughtUp(head(log), 5_000);
    expect(await kept.keeper.verify()).toMatchObject({ equal: true });
    await kept.keeper.stop();
  });

  it('that cannot be written wait in memory, and what was written stays usable', async () => {
    const kept = await keep(log);
    log.add('lead-z', 'Visited', { page: 'home', count: 1, share: 0 });
    await kept.keeper.caughtUp(head(log), 5_000);
    const before = segments();
    // In the way of the file that is written beside its name.
    const next = `${log.events[29]?.position}-${head(log)}.history.tmp`;
    mkdirSync(join(directory, next));
    expect(await kept.store.flush()).toBe(false);
    expect(kept.notices).toMatchObject([{ kind: 'not_written' }]);
    expect(segments().filter((name) => name !== next)).toEqual(before);
    expect((await kept.keeper.read()).table(VISITS).rows).toBe(31);
    rmSync(join(directory, next), { recursive: true });
    expect(await kept.store.flush()).toBe(true);
    expect(segments()).toHaveLength(before.length + 1);
    expect(await kept.keeper.verify()).toMatchObject({ equal: true });
    await kept.keeper.stop();
  });

  it('follow a log that goes away and comes back', async () => {
    const kept = await keep(log);
    await kept.keeper.caughtUp(head(log), 5_000);
    log.disconnect();
    log.isReachable = false;
    log.add('lead-z', 'Visited', { page: 'home', count: 1, share: 0 });
    expect(await kept.keeper.caughtUp(head(log), 50)).toBe(false);
    log.isReachable = true;
    expect(await kept.keeper.caughtUp(head(log), 5_000)).toBe(true);
    expect(kept.notices.map(({ kind }) => kind)).toEqual(['unavailable', 'resumed']);
    await kept.keeper.stop();
  });

  it('stay as they were for whoever holds them, whatever is added', async () => {
    const kept = await keep(log);
    await kept.keeper.caughtUp(head(log), 5_000);
    const held = kept.store.hold();
    log.add('lead-z', 'Visited', { page: 'new', count: 1, share: 0 });
    await kept.keeper.caughtUp(head(log), 5_000);
    await kept.store.flush();
    const tables = await held.read();
    expect([tables.table(VISITS).rows, tables.leadIds.length]).toEqual([30, 4]);
    const received = receivedTables(structuredClone(await held.send([VISITS])));
    expect(received.leadIds).toEqual(['a', 'b', 'c', 'd']);
    expect(received.table(VISITS)).toEqual(tables.table(VISITS));
    expect(received.dictionary('page').values).toEqual(tables.dictionary('page').values.slice(0, 8));
    await held.release();
    await kept.keeper.stop();
  });
});

function flipped(bytes: Buffer): Buffer {
  const at = bytes.length - 20;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}
