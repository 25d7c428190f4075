import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MemoryStore } from './memory-store.js';
import {
  CheckpointMoved,
  type Op,
  type PartRows,
  type PartVersion,
  type ReadStore,
  type ReadView,
} from './read-store.js';

const put = (table: string, part: string, key: string, value: string): Op => ({ op: 'put', table, part, key, value });
const del = (table: string, part: string, key: string): Op => ({ op: 'del', table, part, key });
const add = (counters: string, key: string, by: number): Op => ({ op: 'add', counters, key, by });
const score = (set: string, member: string, value: number): Op => ({ op: 'score', set, member, score: value });

/** What every read store promises; run for each implementation. */
export function describeReadStore(
  name: string,
  start: () => Promise<{ store: ReadStore; readonly stop: (this: void) => Promise<void> }>,
): void {
  describe(name, () => {
    let store: ReadStore;
    let stop: (this: void) => Promise<void>;
    let views = 0;

    beforeAll(async () => {
      ({ store, stop } = await start());
    });
    afterAll(() => stop());

    const freshView = (): ReadView => store.open(`view${(views += 1)}`, 1);

    it('begins with no checkpoint and nothing in it', async () => {
      const view = freshView();
      expect(await view.checkpoint()).toBeNull();
      expect(await view.get('lead', 'a', ['x'])).toEqual([null]);
      expect(await view.get('lead', 'a', [])).toEqual([]);
      expect(await view.rows('lead', 'a')).toEqual(new Map());
      expect(await view.rowsBetween('lead', '', '\uffff')).toEqual([]);
      expect(await view.partitions('lead')).toEqual([]);
      expect(await view.scored('due')).toEqual([]);
      expect(await view.counters('stock')).toEqual(new Map());
    });

    it('gives back what a commit put, in any script, and the checkpoint with it', async () => {
      const view = freshView();
      const value = JSON.stringify(['Zürich', '東京', '😀', '"quoted"', '']);
      await view.commit(null, '0001', [
        put('visit', '2018-02-26', 'lead-1', value),
        put('visit', '2018-02-26', 'Łódź', ''),
        put('visit', '2018-02-27', 'lead-1', 'plain'),
      ]);
      expect(await view.checkpoint()).toBe('0001');
      expect(await view.get('visit', '2018-02-26', ['Łódź', 'lead-2', 'lead-1'])).toEqual(['', null, value]);
      expect(await view.rows('visit', '2018-02-26')).toEqual(
        new Map([
          ['lead-1', value],
          ['Łódź', ''],
        ]),
      );
    });

    it('refuses a commit that begins elsewhere, and changes nothing', async () => {
      const view = freshView();
      await view.commit(null, '0001', [put('visit', 'd', 'k', 'first')]);
      const before = await view.digest();
      const late = view.commit(null, '0002', [put('visit', 'd', 'k', 'second'), add('n', 'x', 1)]);
      await expect(late).rejects.toEqual(new CheckpointMoved(null, '0001'));
      await expect(late).rejects.toMatchObject({ expected: null, found: '0001' });
      await expect(view.commit('0000', '0002', [del('visit', 'd', 'k')])).rejects.toBeInstanceOf(CheckpointMoved);
      expect(await view.checkpoint()).toBe('0001');
      expect(await view.digest()).toBe(before);
    });

    it('lets exactly one of two racing commits through', async () => {
      const view = freshView();
      await view.commit(null, '0001', []);
      const outcomes = await Promise.allSettled(
        ['a', 'b', 'c'].map((who) => view.commit('0001', '0002', [put('t', 'p', 'winner', who), add('n', 'wins', 1)])),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await view.counters('n')).toEqual(new Map([['wins', 1]]));
    });

    it('moves the checkpoint without any operation', async () => {
      const view = freshView();
      await view.commit(null, '0001', []);
      await view.commit('0001', '0002', []);
      expect(await view.checkpoint()).toBe('0002');
    });

    it('tells who waits when the checkpoint is where he wants it, and after his time where else it is', async () => {
      const view = freshView();
      expect(await view.reach('0001', 0)).toBeNull();
      const waiting = Promise.all([view.reach('0002', 20_000), view.reach('0001', 20_000)]);
      const impatient = view.reach('0003', 30);
      await view.commit(null, '0001', []);
      await view.commit('0001', '0002', []);
      expect((await waiting).every((position) => position === '0002' || position === '0001')).toBe(true);
      expect((await waiting)[0]).toBe('0002');
      expect(await impatient).toBe('0002');
      expect(await view.reach('0001', 20_000)).toBe('0002');
    });

    it('lists only partitions that hold a row, in order', async () => {
      const view = freshView();
      await view.commit(null, '0001', [
        put('stock', 'SQL', 'a', '1'),
        put('stock', 'MQL', 'a', '1'),
        put('stock', 'LEAD', 'b', '1'),
      ]);
      expect(await view.partitions('stock')).toEqual(['LEAD', 'MQL', 'SQL']);
      await view.commit('0001', '0002', [
        del('stock', 'SQL', 'a'),
        del('stock', 'MQL', 'nobody'),
        del('stock', 'NEW', 'x'),
      ]);
      expect(await view.partitions('stock')).toEqual(['LEAD', 'MQL']);
      await view.commit('0002', '0003', [put('stock', 'SQL', 'c', '2'), del('stock', 'MQL', 'a')]);
      expect(await view.partitions('stock')).toEqual(['LEAD', 'SQL']);
      expect(await view.rows('stock', 'MQL')).toEqual(new Map());
    });

    it('keeps a partition in which one row replaces the only other', async () => {
      const view = freshView();
      await view.commit(null, '0001', [put('t', 'p', 'old', '1')]);
      await view.commit('0001', '0002', [del('t', 'p', 'old'), put('t', 'p', 'new', '2')]);
      expect(await view.partitions('t')).toEqual(['p']);
      expect(await view.rows('t', 'p')).toEqual(new Map([['new', '2']]));
    });

    it('reads partitions from the first to the last one asked for, both included', async () => {
      const view = freshView();
      const days = ['2018-01-31', '2018-02-01', '2018-02-28', '2018-03-01'];
      await view.commit(
        null,
        '0001',
        days.map((day) => put('visit', day, 'k', day)),
      );
      expect(await view.rowsBetween('visit', '2018-02-01', '2018-02-28')).toEqual([
        ['2018-02-01', 'k', '2018-02-01'],
        ['2018-02-28', 'k', '2018-02-28'],
      ]);
      expect((await view.rowsBetween('visit', '', '\uffff')).map(([part]) => part)).toEqual(days);
    });

    it('gives a partition another version whenever it holds something else, and its rows to whoever knows an older one', async () => {
      const view = freshView();
      const seen = new Set<PartVersion>();
      const look = async (known: ReadonlyMap<string, PartVersion> = new Map()) => {
        const parts = await view.partsBetween('visit', '2018-02', '2018-03', (part) => known.get(part));
        return parts.filter(({ rows }) => rows?.length !== 0);
      };
      const versions = (parts: readonly PartRows[]) => new Map(parts.map(({ part, version }) => [part, version]));
      await view.commit(null, '0001', [
        put('visit', '2018-01-31', 'k', 'before'),
        put('visit', '2018-02-27', 'k', 'one'),
        put('visit', '2018-02-26', 'k', 'two'),
        put('visit', '2018-03-01', 'k', 'after'),
      ]);
      const first = await look();
      expect(first.map(({ part, rows }) => [part, rows])).toEqual([
        ['2018-02-26', [['k', 'two']]],
        ['2018-02-27', [['k', 'one']]],
      ]);
      expect((await look(versions(first))).map(({ rows }) => rows)).toEqual([null, null]);
      for (const { version } of first) seen.add(version);

      await view.commit('0001', '0002', [
        put('visit', '2018-02-27', 'k', 'three'),
        put('other', '2018-02-26', 'k', 'x'),
      ]);
      const second = await look(versions(first));
      expect(second.map(({ part, rows }) => [part, rows])).toEqual([
        ['2018-02-26', null],
        ['2018-02-27', [['k', 'three']]],
      ]);

      // Whatever comes and goes, no version names two contents.
      let checkpoint = '0002';
      for (const [index, op] of [
        del('visit', '2018-02-27', 'k'),
        put('visit', '2018-02-27', 'k', 'one'),
        put('visit', '2018-02-27', 'l', 'one'),
        del('visit', '2018-02-27', 'l'),
      ].entries()) {
        const to = `001${index}`;
        const known = versions(await look());
        await view.commit(checkpoint, to, [op]);
        checkpoint = to;
        const now = await look(known);
        const changed = now.filter(({ rows }) => rows !== null);
        expect(changed.map(({ rows }) => rows?.length)).toEqual([[], [1], [2], [1]][index]);
        for (const { version } of changed) {
          expect(seen).not.toContain(version);
          seen.add(version);
        }
      }
      const last = versions(await look());
      await view.clear();
      expect(await look(last)).toEqual([]);
      await view.commit(null, '0001', [put('visit', '2018-02-27', 'k', 'anew')]);
      expect((await look(last)).map(({ rows }) => rows)).toEqual([[['k', 'anew']]]);
    });

    it('reads partitions as of one commit while others commit', async () => {
      const view = freshView();
      let checkpoint: string | null = null;
      let at = 0;
      const commit = async (): Promise<void> => {
        at += 1;
        const to = String(at).padStart(4, '0');
        const value = String(at);
        await view.commit(checkpoint, to, [put('t', 'a', 'k', value), put('t', 'b', 'k', value)]);
        checkpoint = to;
      };
      await commit();
      let done = false;
      const writer = (async () => {
        while (!done) await commit();
      })();
      const known = new Map<string, { version: PartVersion; value: string }>();
      try {
        for (let look = 0; look < 40; look += 1) {
          const parts = await view.partsBetween('t', '', 'z', (part) => known.get(part)?.version);
          for (const { part, rows, version } of parts) {
            if (rows !== null) known.set(part, { version, value: rows[0]?.[1] as string });
          }
          expect(known.get('a')?.value).toBe(known.get('b')?.value);
        }
      } finally {
        done = true;
        await writer;
      }
    });

    it('adds up counters and removes one that comes to 0', async () => {
      const view = freshView();
      await view.commit(null, '0001', [add('n', 'a', 2), add('n', 'b', -1), add('n', 'a', 3)]);
      expect(await view.counters('n')).toEqual(
        new Map([
          ['a', 5],
          ['b', -1],
        ]),
      );
      await view.commit('0001', '0002', [add('n', 'a', -5), add('n', 'b', 1), add('n', 'c', 1), add('n', 'c', -1)]);
      expect(await view.counters('n')).toEqual(new Map());
    });

    it('orders members by score, and cuts at bounds and limit', async () => {
      const view = freshView();
      await view.commit(null, '0001', [
        score('due', 'late', 1_519_862_400_000),
        score('due', 'b', 20),
        score('due', 'a', 20),
        score('due', 'early', -5.5),
      ]);
      expect(await view.scored('due')).toEqual([
        ['early', -5.5],
        ['a', 20],
        ['b', 20],
        ['late', 1_519_862_400_000],
      ]);
      expect(await view.scored('due', { max: 20, limit: 2 })).toEqual([
        ['early', -5.5],
        ['a', 20],
      ]);
      expect(await view.scored('due', { min: 20, max: 20 })).toEqual([
        ['a', 20],
        ['b', 20],
      ]);
      await view.commit('0001', '0002', [
        score('due', 'early', 30),
        { op: 'unscore', set: 'due', member: 'a' },
        { op: 'unscore', set: 'due', member: 'nobody' },
      ]);
      expect(await view.scored('due', { max: 100 })).toEqual([
        ['b', 20],
        ['early', 30],
      ]);
    });

    it('takes a commit of tens of thousands of operations on one partition, one set and one counter map', async () => {
      const view = freshView();
      const keys = Array.from({ length: 12_000 }, (_, index) => `lead-${index}`);
      await view.commit(null, '0001', [
        ...keys.map((key) => put('t', 'p', key, `value of ${key}`)),
        ...keys.map((key, index) => score('due', key, index)),
        ...keys.map((key, index) => add('n', key, index + 1)),
      ]);
      expect((await view.rows('t', 'p')).size).toBe(12_000);
      expect(await view.get('t', 'p', ['lead-11999', 'lead-0'])).toEqual(['value of lead-11999', 'value of lead-0']);
      expect((await view.scored('due', { min: 11_990 })).length).toBe(10);
      expect((await view.counters('n')).get('lead-11999')).toBe(12_000);
      await view.commit('0001', '0002', [
        ...keys.slice(1).map((key) => del('t', 'p', key)),
        ...keys.slice(1).map((member): Op => ({ op: 'unscore', set: 'due', member })),
      ]);
      expect(await view.rows('t', 'p')).toEqual(new Map([['lead-0', 'value of lead-0']]));
      expect(await view.scored('due')).toEqual([['lead-0', 0]]);
    });

    it('takes a value of half a megabyte', async () => {
      const view = freshView();
      const value = 'ü'.repeat(300_000);
      await view.commit(null, '0001', [put('t', 'p', 'k', value)]);
      expect(await view.get('t', 'p', ['k'])).toEqual([value]);
    });

    it('keeps versions apart, and drops one without touching the other', async () => {
      const one = store.open('versions', 1);
      const two = store.open('versions', 2);
      await one.commit(null, '0001', [put('t', 'p', 'k', 'one'), score('s', 'm', 1), add('n', 'k', 1)]);
      await two.commit(null, '0002', [put('t', 'p', 'k', 'two')]);
      const untouched = await two.digest();
      await store.drop('versions', 1);
      const again = store.open('versions', 1);
      expect(await again.checkpoint()).toBeNull();
      expect(await again.digest()).toBe(await freshView().digest());
      expect(await again.rows('t', 'p')).toEqual(new Map());
      expect(await two.digest()).toBe(untouched);
      expect(await two.get('t', 'p', ['k'])).toEqual(['two']);
    });

    it('is empty after a clear, and begins anew', async () => {
      const view = freshView();
      await view.commit(null, '0005', [put('t', 'p', 'k', 'v'), score('s', 'm', 1), add('n', 'k', 1)]);
      await view.clear();
      expect(await view.checkpoint()).toBeNull();
      expect(await view.digest()).toBe(await freshView().digest());
      await view.commit(null, '0001', [put('t', 'p', 'k', 'w')]);
      expect(await view.rowsBetween('t', '', 'z')).toEqual([['p', 'k', 'w']]);
    });

    it('remembers which version queries read', async () => {
      expect(await store.activeVersion('pointer')).toBeNull();
      await store.activate('pointer', 3);
      await store.activate('other', 1);
      await store.activate('pointer', 4);
      expect(await store.activeVersion('pointer')).toBe(4);
    });

    it('digests content, not its history nor its checkpoint', async () => {
      const direct = freshView();
      await direct.commit(null, '0009', [put('t', 'p', 'k', 'v'), score('s', 'm', 1), add('n', 'c', 2)]);
      const roundabout = freshView();
      await roundabout.commit(null, '0001', [
        put('t', 'q', 'k', 'v'),
        score('s', 'm', 9),
        add('n', 'c', 1),
        add('m', 'x', 1),
      ]);
      expect(await roundabout.digest()).not.toBe(await direct.digest());
      await roundabout.commit('0001', '0002', [
        del('t', 'q', 'k'),
        put('t', 'p', 'k', 'v'),
        score('s', 'm', 1),
        add('n', 'c', 1),
        add('m', 'x', -1),
      ]);
      expect(await roundabout.digest()).toBe(await direct.digest());
    });

    it('holds the same as plain maps after any sequence of commits, and digests like a memory store', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(anyOp, { maxLength: 40 }), { maxLength: 8 }), async (batches) => {
          const view = freshView();
          const memory = new MemoryStore().open('twin', 1);
          const expected = new Map<string, string | number>();
          let from: string | null = null;
          for (const [index, drawn] of batches.entries()) {
            const ops = oncePerKey(drawn);
            const to = String(index).padStart(4, '0');
            await view.commit(from, to, ops);
            await memory.commit(from, to, ops);
            applyPlainly(expected, ops);
            from = to;
          }
          expect(await everything(view)).toEqual(expected);
          expect(await view.digest()).toBe(await memory.digest());
        }),
        { numRuns: 40 },
      );
    });
  });
}

const names = fc.constantFrom('a', 'b');
const keys = fc.constantFrom('k1', 'k2', 'k3', 'ключ', '');
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    op: fc.constant('put' as const),
    table: names,
    part: names,
    key: keys,
    value: fc.string({ maxLength: 8, unit: 'grapheme-ascii' }),
  }),
  fc.record({ op: fc.constant('del' as const), table: names, part: names, key: keys }),
  fc.record({ op: fc.constant('score' as const), set: names, member: keys, score: fc.integer() }),
  fc.record({ op: fc.constant('unscore' as const), set: names, member: keys }),
  fc.record({ op: fc.constant('add' as const), counters: names, key: keys, by: fc.integer({ min: -2, max: 2 }) }),
);

/** The port allows one row operation a key and one score operation a member in a commit. */
function oncePerKey(ops: readonly Op[]): Op[] {
  const last = new Map(ops.map((op, index) => [op.op === 'add' ? `${index}` : idOf(op), op]));
  return [...last.values()];
}

function idOf(op: Op): string {
  if (op.op === 'put' || op.op === 'del') return `row/${op.table}/${op.part}/${op.key}`;
  if (op.op === 'add') return `count/${op.counters}/${op.key}`;
  return `score/${op.set}/${op.member}`;
}

function applyPlainly(content: Map<string, string | number>, ops: readonly Op[]): void {
  for (const op of ops) {
    const id = idOf(op);
    if (op.op === 'put') content.set(id, op.value);
    else if (op.op === 'score') content.set(id, op.score);
    else if (op.op !== 'add') content.delete(id);
    else {
      const sum = Number(content.get(id) ?? 0) + op.by;
      if (sum === 0) content.delete(id);
      else content.set(id, sum);
    }
  }
}

async function everything(view: ReadView): Promise<Map<string, string | number>> {
  const content = new Map<string, string | number>();
  for (const name of ['a', 'b']) {
    for (const [part, key, value] of await view.rowsBetween(name, '', '\uffff'))
      content.set(`row/${name}/${part}/${key}`, value);
    for (const [member, value] of await view.scored(name)) content.set(`score/${name}/${member}`, value);
    for (const [key, value] of await view.counters(name)) content.set(`count/${name}/${key}`, value);
  }
  return content;
}
