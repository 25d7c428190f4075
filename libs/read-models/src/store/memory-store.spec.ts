import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryStore } from './memory-store.js';
import { capturedMap, Partition, type SealedRows } from './partition.js';
import { describeReadStore } from './read-store.contract.js';
import type { Op } from './read-store.js';
import { ScoreSet } from './score-set.js';

describeReadStore('A read store in memory', async () => {
  const store = new MemoryStore();
  return { store, stop: () => store.close() };
});

describe('A memory store with a directory', () => {
  let root: string;
  let next = 0;
  const someOps = (count: number, tag = ''): Op[] =>
    Array.from({ length: count }, (_, index): Op[] => [
      { op: 'put', table: 'row', part: String(index % 50), key: `lead-${index}`, value: `["row ${index}${tag}"]` },
      {
        op: 'put',
        table: 'visit',
        part: `day ${index % 7}`,
        key: `lead-${index}`,
        value: `["Besuch ${index} ä${tag}"]`,
      },
      { op: 'score', set: 'due', member: `clock-${index}`, score: index },
      { op: 'add', counters: 'stock', key: `state ${index % 9}`, by: 1 },
    ]).flat();

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'lead-ledger-memory-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const freshDirectory = (): string => join(root, String((next += 1)));
  const openStore = (directory: string): { store: MemoryStore; problems: string[] } => {
    const problems: string[] = [];
    const onProblem = ({ reason }: { reason: string }): void => void problems.push(reason);
    return { store: new MemoryStore({ directory, snapshotEveryMs: 3_600_000, onProblem }), problems };
  };

  it('comes back after a close with the same content, checkpoint and active version', async () => {
    const directory = freshDirectory();
    const first = openStore(directory).store;
    await first.open('funnel', 1).commit(null, '0001', someOps(12_000));
    await first.activate('funnel', 1);
    const digest = await first.open('funnel', 1).digest();
    await first.close();

    const { store, problems } = openStore(directory);
    const view = store.open('funnel', 1);
    expect(await view.checkpoint()).toBe('0001');
    expect(await view.digest()).toBe(digest);
    expect(await store.activeVersion('funnel')).toBe(1);
    expect(await view.get('visit', 'day 3', ['lead-3'])).toEqual(['["Besuch 3 ä"]']);
    expect(await view.scored('due', { max: 1 })).toEqual([
      ['clock-0', 0],
      ['clock-1', 1],
    ]);
    await view.commit('0001', '0002', [{ op: 'del', table: 'visit', part: 'day 3', key: 'lead-3' }]);
    expect(await view.get('visit', 'day 3', ['lead-3'])).toEqual([null]);
    expect(problems).toEqual([]);
    await store.close();
  });

  it('writes the content of one instant while commits go on', async () => {
    const directory = freshDirectory();
    const { store } = openStore(directory);
    const view = store.open('funnel', 1);
    const position = (round: number): string => String(round).padStart(4, '0');
    const roundOps = (round: number): Op[] => [
      ...someOps(500, ` again ${round}`).filter(({ op }) => op === 'put'),
      { op: 'del', table: 'row', part: String(round % 50), key: `lead-${1_000 + round}` },
      { op: 'score', set: 'due', member: 'clock-0', score: round },
      { op: 'add', counters: 'stock', key: 'state 0', by: round },
    ];
    await view.commit(null, position(1), someOps(20_000));
    let isWritten = false;
    const writing = store.snapshot().finally(() => {
      isWritten = true;
    });
    let last = 1;
    for (; !isWritten && last < 2_000; last += 1) {
      await view.commit(position(last), position(last + 1), roundOps(last + 1));
      await turn();
    }
    await writing;
    // Whatever commit the snapshot is of, it holds all of that one and nothing of the next.
    const copy = openStore(directory).store.open('funnel', 1);
    const checkpoint = Number(await copy.checkpoint());
    expect(checkpoint).toBeLessThan(last);
    for (let round = checkpoint; round < last; round += 1) {
      await copy.commit(position(round), position(round + 1), roundOps(round + 1));
    }
    expect(await copy.digest()).toBe(await view.digest());
  });

  it.each([
    ['cut off', (file: string) => truncate(file, 5_000)],
    ['empty', (file: string) => truncate(file, 0)],
    [
      'with one bit flipped',
      async (file: string) => {
        const bytes = await readFile(file);
        const at = bytes.length >> 1;
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        await writeFile(file, bytes);
      },
    ],
    ['of something else', (file: string) => writeFile(file, 'not a snapshot at all, whatever its name says')],
  ])('ignores a snapshot that is %s, says why, and begins from zero', async (_, damage) => {
    const directory = freshDirectory();
    const first = openStore(directory).store;
    await first.open('funnel', 1).commit(null, '0001', someOps(500));
    await first.close();
    await damage(join(directory, 'funnel@1.snapshot'));

    const { store, problems } = openStore(directory);
    const view = store.open('funnel', 1);
    expect(await view.checkpoint()).toBeNull();
    expect(await view.partitions('row')).toEqual([]);
    expect(await view.counters('stock')).toEqual(new Map());
    expect(problems).toEqual([expect.stringMatching(/^snapshot ignored, starting from zero: ./)]);
  });

  it('keeps the last whole snapshot when a write was cut short', async () => {
    const directory = freshDirectory();
    const first = openStore(directory).store;
    await first.open('funnel', 1).commit(null, '0001', someOps(500));
    await first.close();
    await writeFile(join(directory, 'funnel@1.snapshot.tmp'), 'LLSNAP01 and then the power went');
    expect(await openStore(directory).store.open('funnel', 1).checkpoint()).toBe('0001');
  });

  it('writes nothing when nothing changed, and removes the file of a dropped version', async () => {
    const directory = freshDirectory();
    const { store } = openStore(directory);
    await store.open('funnel', 1).commit(null, '0001', someOps(10));
    await store.snapshot();
    await rm(join(directory, 'funnel@1.snapshot'));
    await store.snapshot();
    expect(await readdir(directory)).toEqual([]);
    await store.open('funnel', 1).commit('0001', '0002', []);
    await store.snapshot();
    expect(await readdir(directory)).toEqual(['funnel@1.snapshot']);
    await store.drop('funnel', 1);
    await store.close();
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('A partition', () => {
  it('equals a Map after any writes, freezes and seals, and seals what there was at the freeze', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key: fc.nat(300), value: fc.string() }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.nat(300) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constantFrom('freeze' as const, 'seal' as const, 'fold' as const, 'check' as const),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const partition = new Partition();
        const expected = new Map<string, string>();
        let atFreeze: Map<string, string> | null = null;
        let frozen: SealedRows | null = null;
        for (const each of steps) {
          if (each.do === 'put') {
            partition.put(`schlüssel ${each.key}`, each.value);
            expected.set(`schlüssel ${each.key}`, each.value);
          } else if (each.do === 'delete') {
            partition.delete(`schlüssel ${each.key}`);
            expected.delete(`schlüssel ${each.key}`);
          } else if (each.do === 'freeze' && atFreeze === null) {
            frozen = partition.freeze();
            atFreeze = new Map(expected);
          } else if (each.do === 'seal' && atFreeze !== null) {
            const sealed = frozen ?? partition.seal();
            const rows = new Map<string, string>();
            sealed.forEach((key, value) => rows.set(key, value));
            expect(rows).toEqual(atFreeze);
            expect(sealed.count).toBe(atFreeze.size);
            atFreeze = null;
          } else if (each.do === 'fold') {
            partition.fold();
          } else if (each.do === 'check') {
            expect(capturedMap(partition.capture())).toEqual(expected);
            expect(partition.isEmpty()).toBe(expected.size === 0);
          }
        }
        expect(capturedMap(partition.capture())).toEqual(expected);
        for (let key = 0; key <= 300; key += 1) {
          expect(partition.get(`schlüssel ${key}`)).toBe(expected.get(`schlüssel ${key}`) ?? null);
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('A score set', () => {
  it('answers ranges like a sorted list, over many chunks', () => {
    const change = fc.record({ member: fc.nat(3_000), score: fc.option(fc.integer({ min: 0, max: 50 })) });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 4_000, minLength: 3_000, size: 'max' }),
        fc.integer({ min: 0, max: 50 }),
        fc.integer({ min: 0, max: 50 }),
        fc.nat(2_000),
        (changes, min, max, limit) => {
          const set = new ScoreSet();
          const expected = new Map<string, number>();
          for (const { member, score } of changes) {
            if (score === null) {
              set.delete(`m${member}`);
              expected.delete(`m${member}`);
            } else {
              set.put(`m${member}`, score);
              expected.set(`m${member}`, score);
            }
          }
          const sorted = [...expected].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
          expect(set.range()).toEqual(sorted);
          expect(ScoreSet.of(set.entries()).range()).toEqual(sorted);
          expect(set.range({ min, max, limit })).toEqual(
            sorted.filter(([, score]) => score >= min && score <= max).slice(0, limit),
          );
        },
      ),
      { numRuns: 8 },
    );
  });
});
