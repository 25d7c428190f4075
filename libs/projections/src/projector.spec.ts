import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import {
  CheckpointMoved,
  StoreUnavailable,
  type Op,
  type ReadStore,
  type ReadView,
} from '#libs/read-models/src/store/read-store.js';
import { RedisStore } from '#libs/read-models/src/store/redis-store.js';
import { ListedLog } from '../../../test/support/listed-log.js';
import { miniLeads, type MiniLead } from '../../../test/support/mini-lead.js';
import { hasRedis, startRedis, type RedisServer } from '../../../test/support/redis-server.js';
import { Projector, type ProjectorNotice, type ProjectorOptions } from './projector.js';
import { openLiveView, rebuild } from './rebuild.js';

const clock = { nowMs: () => 100_000 };

interface Run {
  readonly projector: Projector<MiniLead>;
  readonly view: ReadView;
  readonly notices: ProjectorNotice[];
}

/** Runs until the view has the whole log. */
async function project(
  log: ListedLog,
  view: ReadView,
  options: Partial<ProjectorOptions<MiniLead>> = {},
): Promise<Run> {
  const run = start(log, view, options);
  await caughtUp(run, log);
  return run;
}

function start(log: ListedLog, view: ReadView, options: Partial<ProjectorOptions<MiniLead>> = {}): Run {
  const notices: ProjectorNotice[] = [];
  const onNotice = (notice: ProjectorNotice): void => void notices.push(notice);
  const projector = new Projector({ projection: miniLeads(), log, view, clock, onNotice, ...options });
  projector.start();
  return { projector, view, notices };
}

async function caughtUp({ projector }: Run, log: ListedLog): Promise<void> {
  const head = log.events[log.events.length - 1]?.position ?? '';
  expect(await projector.waitFor(head, 10_000)).toBe(true);
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt += 1) {
    if (attempt > 400) throw new Error('It did not come true');
    await sleep(10);
  }
}

/** One event, one commit, nothing remembered: slow and plainly right. */
async function foldedOneByOne(log: ListedLog): Promise<string> {
  const view = new MemoryStore().open('oracle', 1);
  const oneByOne = new ListedLog();
  oneByOne.events.push(...log.events);
  oneByOne.batchSizes = [1];
  const { projector } = await project(oneByOne, view, { cachedRows: 0, foldEvents: 1 });
  await projector.stop();
  return view.digest();
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('Moved'),
      to: fc.constantFrom('LEAD', 'MQL', 'SAL', 'SQL'),
      day: fc.nat(4),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('Due'), at: fc.option(fc.nat(50)) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('Undone') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('Bad', 'Unknown') }) },
);
const history = fc.array(
  fc.record({ stream: fc.constantFrom('lead-a', 'lead-b', 'lead-c', 'lead-d', 'lead-ignored', 'config-x'), step }),
  {
    minLength: 1,
    maxLength: 60,
  },
);

function logOf(steps: readonly { stream: string; step: Record<string, unknown> }[]): ListedLog {
  const log = new ListedLog();
  for (const { stream, step } of steps) {
    const { type, ...data } = step;
    log.add(stream, String(type), data);
  }
  return log;
}

const stores: [string, () => Promise<{ store: ReadStore; readonly stop: (this: void) => Promise<void> }>][] = [
  ['memory', async () => ({ store: new MemoryStore(), stop: async () => undefined })],
];
if (hasRedis()) {
  stores.push([
    'Redis',
    async () => {
      const server = await startRedis();
      const store = new RedisStore({ url: server.url });
      const stop = async (): Promise<void> => {
        await store.close();
        await server.stop();
      };
      return { store, stop };
    },
  ]);
}

describe.each(stores)('A projector into %s', (_, open) => {
  let store: ReadStore;
  let stop: (this: void) => Promise<void>;
  let next = 0;

  beforeAll(async () => {
    ({ store, stop } = await open());
  });
  afterAll(() => stop());

  const freshView = (): ReadView => store.open(`mini${(next += 1)}`, 1);

  it('gives the same view however the log is split into batches and however few rows it remembers', async () => {
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 12 }),
        async (steps, batchSizes, cachedRows, foldEvents) => {
          const log = logOf(steps);
          const expected = await foldedOneByOne(log);
          log.batchSizes = batchSizes;
          const { projector, view } = await project(log, freshView(), { cachedRows, foldEvents });
          await projector.stop();
          expect(await view.digest()).toBe(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes on where the last one stopped', async () => {
    await fc.assert(
      fc.asyncProperty(history, history, async (before, after) => {
        const view = freshView();
        const log = logOf(before);
        await (await project(log, view)).projector.stop();
        for (const { stream, step } of after) log.add(stream, step.type, step);
        await (await project(log, view)).projector.stop();
        expect(await view.digest()).toBe(await foldedOneByOne(log));
      }),
      { numRuns: 20 },
    );
  });

  it('keeps two projectors of one view from counting anything twice', async () => {
    const log = new ListedLog();
    log.batchSizes = [3, 1, 2];
    for (let index = 0; index < 40; index += 1) log.add(`lead-${index % 7}`, 'Moved', { to: 'MQL', day: index % 3 });
    const view = freshView();
    const one = start(log, view, { foldEvents: 1 });
    const two = start(log, view, { foldEvents: 1 });
    for (let index = 0; index < 20; index += 1) {
      log.add(`lead-${index % 5}`, 'Moved', { to: 'SAL', day: 1 });
      await sleep(1);
    }
    await Promise.all([caughtUp(one, log), caughtUp(two, log)]);
    await Promise.all([one.projector.stop(), two.projector.stop()]);
    expect(await view.digest()).toBe(await foldedOneByOne(log));
    expect([...one.notices, ...two.notices].some(({ kind }) => kind === 'checkpoint_moved')).toBe(true);
  });

  it('sets a lead aside whose event it cannot fold, keeps its facts from before, and goes on with the others', async () => {
    const log = new ListedLog();
    log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    log.add('lead-b', 'Moved', { to: 'LEAD', day: 1 });
    const bad = log.add('lead-a', 'Bad');
    log.add('lead-a', 'Moved', { to: 'SQL', day: 2 });
    log.add('lead-b', 'Moved', { to: 'MQL', day: 3 });
    const { projector, view, notices } = await project(log, freshView());
    log.add('lead-a', 'Moved', { to: 'LOST', day: 4 });
    log.add('lead-c', 'Moved', { to: 'LEAD', day: 5 });
    await caughtUp({ projector, view, notices }, log);

    const parked = {
      entity: 'a',
      stream: 'lead-a',
      eventId: bad.id,
      type: 'Bad',
      revision: 1,
      position: bad.position,
      error: 'Error: cannot fold this',
    };
    expect(projector.parked[0]).toEqual(parked);
    expect(JSON.parse((await view.get('parked', 'all', ['a']))[0] as string)).toEqual(parked);
    expect(notices[0]).toEqual({ kind: 'parked', parked });
    expect(projector.stats).toMatchObject({ parkings: 1, parked: 1, skippedEvents: 2 });
    expect(await view.rowsBetween('stock', '', 'z')).toEqual([
      ['LEAD', 'c', '5'],
      ['MQL', 'a', '1'],
      ['MQL', 'b', '3'],
    ]);
    expect(await view.scored('due')).toEqual([]);
    await projector.stop();
    // A restart knows who is parked.
    const again = await project(log, view);
    expect(again.projector.parked.map(({ entity }) => entity)).toEqual(['a']);
    await again.projector.stop();
  });

  it('sets a lead aside at the event after which its facts cannot be told', async () => {
    const log = new ListedLog();
    log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    const odd = log.add('lead-a', 'Odd');
    const { projector, view } = await project(log, freshView());
    expect(projector.parked).toMatchObject([{ entity: 'a', eventId: odd.id, error: 'Error: cannot tell its facts' }]);
    expect(await view.rowsBetween('stock', '', 'z')).toEqual([['MQL', 'a', '1']]);
    await projector.stop();
  });

  it('folds a parked lead again from its stream once its cause is gone, as if it had never been parked', async () => {
    const log = new ListedLog();
    for (const lead of ['a', 'b']) {
      log.add(`lead-${lead}`, 'Moved', { to: 'MQL', day: 1 });
      log.add(`lead-${lead}`, 'Bad');
      log.add(`lead-${lead}`, 'Moved', { to: 'SAL', day: 2 });
    }
    const view = freshView();
    const before = await project(log, view);
    expect(await before.projector.unpark('a')).toBe(false);
    await expect(before.projector.unpark('nobody')).rejects.toThrow('nobody is not parked');
    expect(before.projector.stats.parked).toBe(2);
    await before.projector.stop();

    const projection = miniLeads({ badIsFine: true });
    const after = await project(log, view, { projection });
    expect(await after.projector.unpark('a')).toBe(true);
    expect(await after.projector.unpark('b')).toBe(true);
    log.add('lead-a', 'Moved', { to: 'SQL', day: 3 });
    await caughtUp(after, log);
    await after.projector.stop();

    const never = await project(log, freshView(), { projection });
    await never.projector.stop();
    expect(await view.digest()).toBe(await never.view.digest());
  });

  it('resumes when the log was out of reach', async () => {
    const log = new ListedLog();
    log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    const run = await project(log, freshView());
    log.disconnect();
    await eventually(() => run.notices.some(({ kind }) => kind === 'unavailable'));
    log.isReachable = true;
    log.add('lead-a', 'Moved', { to: 'SAL', day: 2 });
    await caughtUp(run, log);
    await eventually(() => run.notices.some(({ kind }) => kind === 'resumed'));
    expect(await run.view.digest()).toBe(await foldedOneByOne(log));
    await run.projector.stop();
  });

  it('clears a view that was filled from another log', async () => {
    const other = new ListedLog();
    other.add('lead-x', 'Moved', { to: 'MQL', day: 1 });
    other.add('lead-y', 'Moved', { to: 'MQL', day: 1 });
    other.events.forEach((event, index) => Object.assign(event, { id: `other-${index}` }));
    const view = freshView();
    await (await project(other, view)).projector.stop();
    const log = new ListedLog();
    log.add('lead-a', 'Moved', { to: 'SAL', day: 2 });
    const { projector, notices } = start(log, view);
    await eventually(async () => (await view.get('stock', 'SAL', ['a']))[0] === '2');
    await projector.stop();
    expect(notices).toEqual([{ kind: 'other_log' }]);
    expect(await view.digest()).toBe(await foldedOneByOne(log));
  });

  it('rebuilds beside the live view while events come in, finds both equal, and goes on with the new one', async () => {
    const log = new ListedLog();
    const projection = { ...miniLeads(), name: `rebuilt${(next += 1)}` };
    for (let index = 0; index < 200; index += 1) log.add(`lead-${index % 23}`, 'Moved', { to: 'MQL', day: index % 9 });
    const live = await project(log, await openLiveView(store, projection), { projection });
    const rebuilding = rebuild({ projection, log, store, clock, live: live.projector, graceMs: 0 });
    for (let index = 0; index < 50; index += 1) {
      log.add(`lead-${index}`, 'Moved', { to: 'SQL', day: 3 });
      await sleep(1);
    }
    const report = await rebuilding;
    expect(report).toMatchObject({ name: projection.name, from: 1_000, to: 1_001, equal: true });
    expect(report.events).toBeGreaterThanOrEqual(200);
    log.add('lead-new', 'Moved', { to: 'LEAD', day: 4 });
    await caughtUp(live, log);
    await live.projector.stop();
    expect(await store.activeVersion(projection.name)).toBe(1_001);
    const rebuilt = await openLiveView(store, projection);
    expect(rebuilt.version).toBe(1_001);
    expect(await rebuilt.digest()).toBe(await foldedOneByOne(log));
    expect(await store.open(projection.name, 1_000).checkpoint()).toBeNull();
    const newer = await openLiveView(store, { ...projection, version: 2 });
    expect([newer.version, await newer.checkpoint()]).toEqual([2_000, null]);
  });

  it('tells when the live view was not what the log says, and replaces it', async () => {
    const log = new ListedLog();
    const projection = { ...miniLeads(), name: `tampered${(next += 1)}` };
    const event = log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    const view = await openLiveView(store, projection);
    const live = await project(log, view, { projection });
    await view.commit(event.position, event.position, [
      { op: 'put', table: 'stock', part: 'MQL', key: 'ghost', value: '1' },
    ]);
    const report = await rebuild({ projection, log, store, clock, live: live.projector, graceMs: 0 });
    expect(report.equal).toBe(false);
    await live.projector.stop();
    expect(await (await openLiveView(store, projection)).digest()).toBe(await foldedOneByOne(log));
  });

  it('stops a rebuild at an event it cannot fold and leaves the live view alone', async () => {
    const log = new ListedLog();
    const projection = { ...miniLeads(), name: `poisoned${(next += 1)}` };
    log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    log.add('lead-a', 'Bad');
    const live = await project(log, await openLiveView(store, projection), { projection });
    await expect(rebuild({ projection, log, store, clock, live: live.projector, graceMs: 0 })).rejects.toThrow(
      'Bad event-2 of lead-a cannot be folded: Error: cannot fold this',
    );
    expect(await store.activeVersion(projection.name)).toBe(1_000);
    expect(await store.open(projection.name, 1_001).checkpoint()).toBeNull();
    log.add('lead-b', 'Moved', { to: 'SAL', day: 1 });
    await caughtUp(live, log);
    await live.projector.stop();
  });
});

describe('A projector', () => {
  it('says how far behind it is, and lets a query wait for a position', async () => {
    const log = new ListedLog();
    log.add('config-x', 'Activated');
    const first = log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    const view = new MemoryStore().open('mini', 1);
    const projector = new Projector({ projection: miniLeads(), log, view, clock });
    log.add('lead-b', 'Moved', { to: 'MQL', day: 1 });
    expect(await projector.lag()).toEqual({ events: 2, seconds: (100_000 - first.recordedAtMs) / 1_000 });
    expect(await projector.waitFor(first.position, 20)).toBe(false);
    projector.start();
    expect(await projector.waitFor(first.position, 2_000)).toBe(true);
    expect(await projector.lag()).toEqual({ events: 0, seconds: 0 });
    // A position that no event of the projection has is reached all the same.
    const other = log.add('config-x', 'Retired');
    expect(await projector.waitFor(other.position, 2_000)).toBe(true);
    const never = projector.waitFor('9'.repeat(16), 60_000);
    await projector.stop();
    expect(await never).toBe(false);
  });

  it('tries a commit of unknown outcome again without counting it twice', async () => {
    const log = new ListedLog();
    log.batchSizes = [2];
    for (let index = 0; index < 12; index += 1) log.add(`lead-${index % 3}`, 'Moved', { to: 'MQL', day: index });
    const view = new MemoryStore().open('mini', 1);
    let commits = 0;
    const flaky = new Proxy(view, {
      get(target, property) {
        if (property === 'commit') {
          return async (from: string | null, to: string, ops: readonly Op[]) => {
            commits += 1;
            if (commits % 3 === 1) throw new StoreUnavailable('before it was done');
            await target.commit(from, to, ops);
            if (commits % 3 === 2) throw new StoreUnavailable('after it was done');
          };
        }
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { projector, notices } = await project(log, flaky, { foldEvents: 1 });
    await projector.stop();
    expect(await view.digest()).toBe(await foldedOneByOne(log));
    expect(notices.filter(({ kind }) => kind === 'unavailable').length).toBeGreaterThan(0);
    expect(notices.filter(({ kind }) => kind === 'failed')).toEqual([]);
  });

  it('notices within seconds that its idle store was emptied, and fills it again', async () => {
    const log = new ListedLog();
    log.add('lead-a', 'Moved', { to: 'MQL', day: 1 });
    const { projector, view, notices } = await project(log, new MemoryStore().open('mini', 1));
    await view.clear();
    await eventually(async () => (await view.checkpoint()) !== null);
    expect(notices).toEqual([
      { kind: 'checkpoint_moved', reason: new CheckpointMoved(log.events[0]?.position ?? null, null).message },
    ]);
    expect(await view.digest()).toBe(await foldedOneByOne(log));
    await projector.stop();
  });
});

describe('A projector on the embedded log', () => {
  let directory: string;
  let log: EmbeddedLog;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lead-ledger-projector-'));
    log = await EmbeddedLog.open({ dir: directory, clock });
  });
  afterAll(async () => {
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('has an append in the view as soon as its position is waited for', async () => {
    const view = new MemoryStore().open('mini', 1);
    const projector = new Projector({ projection: miniLeads(), log, view, clock });
    projector.start();
    for (let index = 0; index < 20; index += 1) {
      const { position } = await log.append({
        stream: `lead-${index}`,
        expectedRevision: 'no_stream',
        events: [{ id: crypto.randomUUID(), type: 'Moved', data: { to: 'LEAD', day: index }, metadata: {} }],
      });
      expect(await projector.waitFor(position, 2_000)).toBe(true);
      expect(await view.get('stock', 'LEAD', [String(index)])).toEqual([String(index)]);
    }
    await projector.stop();
  });
});

(hasRedis() ? describe : describe.skip)('A projector whose Redis is killed', () => {
  let server: RedisServer;
  let store: RedisStore;

  beforeAll(async () => {
    server = await startRedis();
    store = new RedisStore({ url: server.url, commandTimeoutMs: 500 });
  });
  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  it('starts again from nothing when an empty one comes back, and ends up right', async () => {
    const log = new ListedLog();
    log.batchSizes = [7];
    for (let index = 0; index < 300; index += 1) log.add(`lead-${index % 31}`, 'Moved', { to: 'MQL', day: index % 5 });
    const run = await project(log, store.open('mini', 1), { foldEvents: 5 });
    await server.kill();
    log.add('lead-1', 'Moved', { to: 'SAL', day: 6 });
    await eventually(() => run.notices.some(({ kind }) => kind === 'unavailable'));
    server = await startRedis(server.port);
    await eventually(
      async () => (await run.view.checkpoint().catch(() => null)) === log.events[log.events.length - 1]?.position,
    );
    expect(await run.view.digest()).toBe(await foldedOneByOne(log));
    await store.send('FLUSHALL');
    log.add('lead-2', 'Moved', { to: 'SAL', day: 6 });
    await eventually(async () => (await run.view.checkpoint()) === log.events[log.events.length - 1]?.position);
    expect(await run.view.digest()).toBe(await foldedOneByOne(log));
    await run.projector.stop();
    expect(run.notices.filter(({ kind }) => kind === 'failed')).toEqual([]);
  });
});
