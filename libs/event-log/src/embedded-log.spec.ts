import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { open } from 'lmdb';
import { EmbeddedLog } from './embedded-log.js';
import type { ExpectedRevision } from './event-log.js';
import { eventLogContract, failure, newEvent } from './event-log.contract.js';

eventLogContract('the embedded log', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'embedded-log-'));
  const log = await EmbeddedLog.open({ dir, clock: { nowMs: () => 1_500_000_000_000 } });
  return {
    open: async () => log,
    stop: async () => rmSync(dir, { recursive: true }),
  };
});

/** The log of one folder in another, as it was stored before blocks were compressed. */
async function copyUncompressed(from: string, to: string): Promise<void> {
  const openFiles = (dir: string, compression: object) => {
    const root = open({ path: join(dir, 'events.lmdb'), noSubdir: true, maxDbs: 4 });
    return {
      root,
      blocks: root.openDB<Buffer, number>('blocks', { encoding: 'binary', ...compression }),
      index: root.openDB<Buffer, Buffer>('index', { encoding: 'binary', keyEncoding: 'binary' }),
      owner: root.openDB<string, string>('owner', { encoding: 'string', useVersions: true }),
    };
  };
  const source = openFiles(from, { compression: { threshold: 1_000, dictionary: Buffer.alloc(0) } });
  const target = openFiles(to, {});
  for (const key of source.blocks.getKeys()) await target.blocks.put(key, source.blocks.getBinary(key)!);
  for (const { key, value } of source.index.getRange()) await target.index.put(key, value);
  await target.owner.put('writer', source.owner.get('writer')!, source.owner.getEntry('writer')!.version!);
  await source.root.close();
  await target.root.close();
}

describe('the embedded log by itself', () => {
  let dir: string;
  let log: EmbeddedLog;
  let nowMs: number;
  const clock = { nowMs: (): number => nowMs };

  beforeEach(async () => {
    nowMs = 1_500_000_000_000;
    dir = mkdtempSync(join(tmpdir(), 'embedded-log-'));
    log = await EmbeddedLog.open({ dir, clock });
  });

  afterEach(async () => {
    await log.close();
    rmSync(dir, { recursive: true });
  });

  const reopen = async (): Promise<void> => {
    await log.close();
    log = await EmbeddedLog.open({ dir, clock });
  };
  const fill = async (stream: string, count: number): Promise<void> => {
    await log.append({
      stream,
      expectedRevision: 'any',
      events: Array.from({ length: count }, (_, n) => newEvent('Noted', { n })),
    });
  };
  const revisions = async (stream: string): Promise<number[]> =>
    (await log.readStream(stream)).map((event) => event.revision);
  const setMetadata = async (stream: string, metadata: object): Promise<void> => {
    await log.append({
      stream: `$$${stream}`,
      expectedRevision: 'any',
      events: [newEvent('$metadata', { ...metadata })],
    });
  };

  it('keeps its events in fewer bytes than they have', async () => {
    const text = 'meets the agreed criteria '.repeat(4);
    for (let n = 0; n < 20; n++) {
      const events = Array.from({ length: 500 }, () => newEvent('Noted', { text }));
      await log.append({ stream: `s-${n}`, expectedRevision: 'any', events });
    }
    expect(statSync(join(dir, 'events.lmdb')).size).toBeLessThan(20 * 500 * text.length);
    const events = await log.readStream('s-7');
    expect(events.map(({ data }) => data.text)).toEqual(Array.from({ length: 500 }, () => text));
  });

  it('reads and goes on with a log that was begun uncompressed', async () => {
    // a block that begins with the number 254 looks like a compressed one
    for (const stream of ['s', 't']) await fill(stream, 254);
    await fill('s', 255);
    await log.close();
    const compressed = dir;
    dir = mkdtempSync(join(tmpdir(), 'embedded-log-'));
    await copyUncompressed(compressed, dir);
    rmSync(compressed, { recursive: true });
    log = await EmbeddedLog.open({ dir, clock });
    await fill('t', 254);
    await reopen();
    expect(await revisions('s')).toEqual(Array.from({ length: 509 }, (_, n) => n));
    expect((await log.readStream('t')).map(({ data }) => data.n)).toEqual(
      Array.from({ length: 508 }, (_, n) => n % 254),
    );
  });

  it('dates events by the clock it was given', async () => {
    nowMs = 1_400_000_000_123;
    await fill('s', 1);
    expect((await log.readStream('s'))[0]!.recordedAtMs).toBe(1_400_000_000_123);
  });

  it('is empty at first', async () => {
    expect(await log.head()).toBeNull();
    expect(await log.readAll({ limit: 10 })).toEqual({ events: [], next: null });
    for await (const batch of log.subscribe()) {
      expect(batch).toEqual({ events: [], caughtUp: true, scannedTo: null });
      break;
    }
  });

  it('goes on where it was after being opened again, and knows a repeated append still', async () => {
    const append = { stream: 's', expectedRevision: 'any' as const, events: [newEvent('A', {}), newEvent('B', {})] };
    const first = await log.append(append);
    await fill('t', 3);
    await log.deleteStream('t', 2);
    const before = await log.readAll({ limit: 100 });
    const head = await log.head();
    await reopen();
    expect(await log.readAll({ limit: 100 })).toEqual(before);
    expect(await log.head()).toBe(head);
    expect(await log.append(append)).toEqual(first);
    expect(await log.readStream('t')).toEqual([]);
    expect(
      (await log.append({ stream: 't', expectedRevision: 'no_stream', events: [newEvent('C', {})] })).revision,
    ).toBe(3);
  });

  it('refuses a second opening of its directory, and takes over the lock of a process that is gone', async () => {
    await expect(EmbeddedLog.open({ dir, clock })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await log.close();
    const lock = join(dir, 'writer.lock');
    expect(existsSync(lock)).toBe(false);
    for (const stale of [
      // no such process
      '{"pid":2147480000,"started":"1","boot":""}',
      // a pid that belongs to another process now
      `{"pid":${process.ppid},"started":"1","boot":""}`,
      // this pid, before the container was started again
      `{"pid":${process.pid},"started":"1","boot":"another"}`,
      'torn',
    ]) {
      writeFileSync(lock, stale);
      log = await EmbeddedLog.open({ dir, clock });
      await log.close();
    }
    writeFileSync(lock, JSON.stringify({ pid: process.ppid, started: '', boot: '' }));
    await expect(EmbeddedLog.open({ dir, clock })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    rmSync(lock);
    log = await EmbeddedLog.open({ dir, clock });
  });

  it('answers STORE_UNAVAILABLE once closed', async () => {
    await fill('s', 1);
    const waiting = (async () => {
      for await (const batch of log.subscribe()) void batch;
    })();
    await log.close();
    await expect(waiting).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const append = { stream: 's', expectedRevision: 'any' as const, events: [newEvent('A', {})] };
    for (const operation of [log.append(append), log.readStream('s'), log.readAll({ limit: 1 }), log.head()]) {
      expect(await failure(operation)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    }
  });

  it('commits what was under way when it is closed', async () => {
    const appends = Array.from({ length: 100 }, (_, n) =>
      log.append({ stream: `s${n}`, expectedRevision: 'no_stream', events: [newEvent('A', {})] }),
    );
    await reopen();
    expect((await Promise.all(appends)).length).toBe(100);
    expect((await log.readAll({ limit: 1000 })).events).toHaveLength(100);
  });

  it('keeps the event loop free while it waits for the disk', async () => {
    let turns = 0;
    let counting = true;
    const count = (): void => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    for (let n = 0; n < 10; n += 1) await fill('s', 1);
    counting = false;
    // a flush takes a millisecond or so: blocked, there would be a turn or two an append
    expect(turns).toBeGreaterThan(50);
  });

  describe('stream metadata', () => {
    it('$maxCount leaves the last so many', async () => {
      await fill('s', 10);
      await setMetadata('s', { $maxCount: 3 });
      expect(await revisions('s')).toEqual([7, 8, 9]);
      await fill('s', 1);
      expect(await revisions('s')).toEqual([8, 9, 10]);
      expect(await log.readStream('s', { direction: 'backwards', fromRevision: 8 })).toHaveLength(1);
    });

    it('$tb hides what is before', async () => {
      await fill('s', 5);
      await setMetadata('s', { $tb: 3 });
      expect(await revisions('s')).toEqual([3, 4]);
      await setMetadata('s', { $tb: 10 });
      expect(await revisions('s')).toEqual([]);
      await fill('s', 1);
      expect(await revisions('s')).toEqual([]);
    });

    it('$maxAge hides what is older, by the clock', async () => {
      await fill('s', 2);
      nowMs += 60_000;
      await fill('s', 1);
      await setMetadata('s', { $maxAge: 90 });
      expect(await revisions('s')).toEqual([0, 1, 2]);
      nowMs += 60_000;
      expect(await revisions('s')).toEqual([2]);
    });

    it('is kept by a stream that comes back after a soft delete', async () => {
      await fill('s', 3);
      await log.deleteStream('s', 2);
      await fill('s', 2);
      expect(await revisions('s')).toEqual([3, 4]);
      const metadata = log.store.readStream('$$s', { limit: 10 }, (record) => record.dataText);
      expect(metadata.items).toEqual(['{"$tb":9223372036854775807}', '{"$tb":3}']);
    });

    it('brings a soft-deleted stream back, empty, when it is written', async () => {
      await fill('s', 3);
      await log.deleteStream('s', 2);
      await setMetadata('s', { owner: 'me' });
      expect(log.store.readStream('s', { limit: 10 }, () => true)).toMatchObject({ state: 'exists', items: [] });
      await fill('s', 1);
      expect(await revisions('s')).toEqual([3]);
    });
  });

  it('ends a stream for good with a tombstone', async () => {
    await fill('s', 2);
    expect(await failure(log.store.delete('s', 0, 'hard'))).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
    await log.store.delete('s', 1, 'hard');
    const append = { stream: 's', expectedRevision: 'any' as const, events: [newEvent('A', {})] };
    expect(await failure(log.append(append))).toMatchObject({ code: 'STREAM_DELETED' });
    expect(await failure(log.readStream('s'))).toMatchObject({ code: 'STREAM_DELETED' });
    expect(await failure(log.deleteStream('s', 'any'))).toMatchObject({ code: 'STREAM_DELETED' });
    await reopen();
    expect(await failure(log.append(append))).toMatchObject({ code: 'STREAM_DELETED' });
  });

  it('tells streams apart whose names are long, empty of letters or begin alike', async () => {
    const names = ['a', 'a\u0000', 'a\u0000b', 'a-', 'A', 'é', 'x'.repeat(600), `${'x'.repeat(600)}y`, 'a b', '🚀'];
    for (const [n, name] of names.entries()) await fill(name, n + 1);
    for (const [n, name] of names.entries()) expect(await revisions(name)).toHaveLength(n + 1);
  });

  it('takes an event id of upper-case letters as the same id', async () => {
    const id = randomUUID();
    const event = { ...newEvent('A', {}), id };
    const first = await log.append({ stream: 's', expectedRevision: 'no_stream', events: [event] });
    const again = { ...event, id: id.toUpperCase() };
    expect(await log.append({ stream: 's', expectedRevision: 'no_stream', events: [again] })).toEqual(first);
    await expect(
      log.append({ stream: 's', expectedRevision: 'any', events: [{ ...event, id: 'no-uuid' }] }),
    ).rejects.toThrow(TypeError);
  });

  it('refuses by what the stream was when it was asked, whatever is appended while the answer waits to be durable', async () => {
    const events = (count: number) =>
      Array.from({ length: count }, () => ({ id: randomUUID(), type: 'T', data: {}, metadata: {} }));
    const append = (expectedRevision: ExpectedRevision, count: number) =>
      log
        .append({ stream: 'in-order', expectedRevision, events: events(count) })
        .then(({ revision }) => revision, codeOf);
    const answers = await Promise.all([append('any', 2), append(4, 1), append(1, 3)]);
    expect(answers).toEqual([1, 'WRONG_EXPECTED_REVISION', 4]);
  });

  it('agrees with a simple model of EventStoreDB, whatever is appended, repeated, raced and deleted', async () => {
    const streams = ['a', 'b'];
    const expectation = fc.oneof(
      fc.constantFrom<ExpectedRevision>('any', 'no_stream', 'stream_exists'),
      fc.integer({ min: 0, max: 8 }),
    );
    const command = fc.record({
      kind: fc.constantFrom('append', 'append', 'append', 'repeat', 'delete', 'reopen'),
      stream: fc.constantFrom(...streams),
      expected: expectation,
      count: fc.integer({ min: 1, max: 3 }),
      pick: fc.nat(),
      wait: fc.boolean(),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        run += 1;
        const model = new ModelLog();
        const pending: Promise<unknown>[] = [];
        const appended: { stream: string; expected: ExpectedRevision; ids: string[] }[] = [];
        for (const { kind, stream, expected, count, pick, wait } of commands) {
          const name = `${run}-${stream}`;
          let real: Promise<unknown>;
          let wanted: unknown;
          if (kind === 'reopen') {
            await Promise.all(pending);
            await reopen();
            continue;
          } else if (kind === 'delete') {
            wanted = model.delete(name, expected);
            real = log.deleteStream(name, expected).then(() => 'done', codeOf);
          } else {
            const repeated = kind === 'repeat' && appended.length > 0 ? appended[pick % appended.length]! : null;
            const append = repeated ?? {
              stream: name,
              expected,
              ids: Array.from({ length: count }, () => randomUUID()),
            };
            if (!repeated) appended.push(append);
            wanted = model.append(append.stream, append.expected, append.ids);
            real = log
              .append({
                stream: append.stream,
                expectedRevision: append.expected,
                events: append.ids.map((id) => ({ id, type: 'T', data: {}, metadata: {} })),
              })
              .then((result) => result.revision, codeOf);
          }
          const checked = real.then((outcome) => expect(outcome).toEqual(wanted));
          pending.push(checked);
          if (wait) await checked;
        }
        await Promise.all(pending);
        for (const stream of streams) {
          const name = `${run}-${stream}`;
          const events = (await log.readStream(name)).map((event) => [event.revision, event.id]);
          expect(events).toEqual(model.visible(name));
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

function codeOf(error: unknown): unknown {
  return (error as { code?: string }).code ?? error;
}

/** One stream as EventStoreDB has it: all ids ever, and from which revision they show. */
class ModelLog {
  readonly #streams = new Map<string, { ids: string[]; from: number; deleted: boolean; metadata: boolean }>();

  append(name: string, expected: ExpectedRevision, ids: readonly string[]): number | string {
    const stream = this.#stream(name);
    const last = stream.ids.length - 1;
    if (expected === 'stream_exists') {
      if (stream.deleted) return 'STREAM_DELETED';
      if (last < 0 && !stream.metadata) return 'WRONG_EXPECTED_REVISION';
    }
    if (expected === 'any' || expected === 'stream_exists') {
      const at = ids.map((id) => stream.ids.indexOf(id));
      if (at[0] !== -1) return at.includes(-1) ? 'WRONG_EXPECTED_REVISION' : at.at(-1)!;
    } else {
      const revision = expected === 'no_stream' ? -1 : expected;
      if (revision > last) return 'WRONG_EXPECTED_REVISION';
      if (revision < last) {
        const same = ids.filter((id, n) => stream.ids[revision + 1 + n] === id).length;
        if (same === ids.length) return revision + ids.length;
        const firstSame = stream.ids[revision + 1] === ids[0];
        if (firstSame || expected !== 'no_stream' || !stream.deleted) return 'WRONG_EXPECTED_REVISION';
      }
    }
    if (stream.deleted) {
      stream.deleted = false;
      stream.from = stream.ids.length;
    }
    stream.ids.push(...ids);
    return stream.ids.length - 1;
  }

  delete(name: string, expected: ExpectedRevision): string {
    const stream = this.#stream(name);
    const last = stream.ids.length - 1;
    if (expected === 'stream_exists' && stream.deleted) return 'STREAM_DELETED';
    if (last < 0) return 'WRONG_EXPECTED_REVISION';
    const revision = expected === 'no_stream' ? -1 : expected;
    const matches = typeof revision !== 'number' || revision === last || (expected === 'no_stream' && stream.deleted);
    if (!matches) return 'WRONG_EXPECTED_REVISION';
    stream.deleted = true;
    stream.metadata = true;
    return 'done';
  }

  visible(name: string): [number, string][] {
    const { ids, from, deleted } = this.#stream(name);
    return deleted ? [] : ids.map((id, n): [number, string] => [n, id]).slice(from);
  }

  #stream(name: string): { ids: string[]; from: number; deleted: boolean; metadata: boolean } {
    let stream = this.#streams.get(name);
    if (!stream) {
      stream = { ids: [], from: 0, deleted: false, metadata: false };
      this.#streams.set(name, stream);
    }
    return stream;
  }
}
