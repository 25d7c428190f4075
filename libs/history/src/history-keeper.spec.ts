import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Position } from '#libs/event-log/src/event-log.js';
import { ListedLog } from '../../../test/support/listed-log.js';
import type { Encoder, EncoderContext } from './encoders.js';
import { HistoryKeeper, type KeeperNotice } from './history-keeper.js';
import { type HistoryNotice, HistoryStore } from './history-store.js';
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
      sink.row(VISITS, sink.leadIndex('nobody'), 0, 0, sink.dictionary('page').codeOf('half told'), 0, 0);
      throw new Error('cannot be read');
    }
    if (event.type !== 'Visited') return;
    const { count, page, share, until } = event.data as { page: string; count: number; share: number; until?: number };
    const lead = sink.leadIndex(event.stream.slice('lead-'.length));
    const code = sink.dictionary('page').codeOf(page);
    sink.row(VISITS, lead, event.recordedAtMs, until ?? NaN, code, count, share);
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
