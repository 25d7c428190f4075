import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasRedis, startRedis, type RedisServer } from '../../../../test/support/redis-server.js';
import { describeReadStore } from './read-store.contract.js';
import { StoreUnavailable, type Op } from './read-store.js';
import { RedisStore } from './redis-store.js';

if (hasRedis()) {
  describeReadStore('A read store in Redis', async () => {
    const server = await startRedis();
    const store = new RedisStore({ url: server.url });
    return {
      store,
      stop: async () => {
        await store.close();
        await server.stop();
      },
    };
  });
} else {
  describe.skip('A read store in Redis', () => {
    it('is not tried: redis-server is not on PATH', () => undefined);
  });
}

(hasRedis() ? describe : describe.skip)('A Redis that goes away', () => {
  let server: RedisServer;
  let store: RedisStore;
  const rows: Op[] = [{ op: 'put', table: 't', part: 'p', key: 'k', value: 'v' }];

  beforeAll(async () => {
    server = await startRedis();
    store = new RedisStore({ url: server.url, commandTimeoutMs: 500 });
  });
  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  const recovers = async (): Promise<void> => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await store.ping();
        return;
      } catch (error) {
        if (attempt > 100) throw error;
        await sleep(50);
      }
    }
  };

  it('fails commands at once with StoreUnavailable and serves again, empty, when it is back', async () => {
    const view = store.open('away', 1);
    await view.commit(null, '0001', rows);
    await server.kill();
    await sleep(50);
    const startedMs = performance.now();
    const failures = await Promise.allSettled([
      view.checkpoint(),
      view.commit('0001', '0002', []),
      view.get('t', 'p', ['k']),
      view.rowsBetween('t', '', 'z'),
      view.digest(),
      store.activeVersion('away'),
    ]);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    for (const failure of failures) {
      expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    }
    server = await startRedis(server.port);
    await recovers();
    expect(await view.checkpoint()).toBeNull();
    expect(await view.rows('t', 'p')).toEqual(new Map());
    await view.commit(null, '0001', rows);
    expect(await view.get('t', 'p', ['k'])).toEqual(['v']);
  });

  it('fails the commands under way when it is killed', async () => {
    const view = store.open('killed', 1);
    await recovers();
    process.kill(server.pid, 'SIGSTOP');
    const waiting = Promise.allSettled([view.commit(null, '0001', rows), view.checkpoint()]);
    await sleep(50);
    await server.kill();
    for (const failure of await waiting) expect(failure).toMatchObject({ reason: expect.any(StoreUnavailable) });
    server = await startRedis(server.port);
    await recovers();
  });

  it('gives up on one that hangs, and the late commit is fenced by its checkpoint', async () => {
    const view = store.open('hung', 1);
    await view.commit(null, '0001', []);
    process.kill(server.pid, 'SIGSTOP');
    await expect(view.commit('0001', '0002', rows)).rejects.toBeInstanceOf(StoreUnavailable);
    process.kill(server.pid, 'SIGCONT');
    await recovers();
    // The server found the command in its socket when it woke up.
    expect(await view.checkpoint()).toBe('0002');
    await expect(view.commit('0001', '0003', rows)).rejects.toMatchObject({ code: 'CHECKPOINT_MOVED', found: '0002' });
  });

  it('clears rows that a half-done drop left without a checkpoint before it begins again', async () => {
    const view = store.open('half', 1);
    await view.commit(null, '0001', [...rows, { op: 'add', counters: 'n', key: 'x', by: 1 }]);
    await store.send('DEL', 'll:{half@1}:checkpoint');
    await view.commit(null, '0002', [{ op: 'put', table: 't', part: 'q', key: 'k2', value: 'v2' }]);
    expect(await view.rowsBetween('t', '', 'z')).toEqual([['q', 'k2', 'v2']]);
    expect(await view.counters('n')).toEqual(new Map());
  });
});

describe('A Redis that never answers', () => {
  it('fails with StoreUnavailable that says why', async () => {
    const problems: string[] = [];
    const store = new RedisStore({ url: 'redis://127.0.0.1:1', onProblem: ({ reason }) => problems.push(reason) });
    await expect(store.ping()).rejects.toThrow(/ECONNREFUSED/);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreUnavailable);
    expect(problems).toEqual([expect.stringMatching(/ECONNREFUSED/)]);
    await store.close();
  });
});
