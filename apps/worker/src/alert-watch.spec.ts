import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Alerts } from '#apps/api/src/alerts/alerts.js';
import type { AlertFinding } from '#libs/alert/src/alert.js';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { AlertWatch } from './alert-watch.js';

const NOW = Date.parse('2026-03-02T10:00:00.000Z');
const finding = (failing: boolean, value = 0.8): AlertFinding => ({
  key: 'acceptance',
  condition: 'acceptance',
  failing,
  value,
  threshold: 0.9,
  n: 10,
  windowDays: 30,
  text: 'below target',
  drill: null,
});

describe('the watch over the alerts', () => {
  let dir: string;
  let log: EmbeddedLog;
  const clock = new TestClock(NOW);
  const logger = makeLogger('silent', 'alert-watch');
  const rita = { type: 'user', id: 'rita', role: 'sales', teams: [] } as const;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lead-ledger-alert-watch-'));
    log = await EmbeddedLog.open({ dir, clock });
  });
  afterEach(async () => {
    await log.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** A process of its own over the same log; it finds what it is told to find. */
  const worker = () => {
    const alerts = new Alerts(log, clock, logger, { testClock: true });
    const state: { found: readonly AlertFinding[] | null; beforeJudging?: () => Promise<unknown> } = { found: [] };
    const watch = new AlertWatch({
      alerts,
      findings: async () => {
        const { found } = state;
        await state.beforeJudging?.();
        return found;
      },
      reflected: () => Promise.resolve('0'),
      onError: (error) => {
        throw error;
      },
    });
    return { alerts, state, watch };
  };
  const written = async (): Promise<string[]> => (await log.readStream('alert-acceptance')).map(({ type }) => type);

  it('raises once while a condition lasts, and clears once when it is over', async () => {
    const { state, watch } = worker();
    state.found = [finding(true)];
    expect([await watch.round(), await watch.round()]).toEqual([1, 0]);
    state.found = [finding(true, 0.2)];
    expect(await watch.round()).toBe(0);
    state.found = [finding(false, 0.95)];
    expect([await watch.round(), await watch.round()]).toEqual([1, 0]);
    expect(await written()).toEqual(['AlertRaised', 'AlertCleared']);
  });

  it('clears what nobody finds any more', async () => {
    const { state, watch } = worker();
    state.found = [finding(true)];
    await watch.round();
    state.found = [];
    await watch.round();
    expect(await written()).toEqual(['AlertRaised', 'AlertCleared']);
  });

  it('leaves everything as it stands while the figures are not there', async () => {
    const { state, watch } = worker();
    state.found = [finding(true)];
    await watch.round();
    state.found = null;
    expect(await watch.round()).toBe(0);
    expect(await written()).toEqual(['AlertRaised']);
  });

  it('raises one alert from eight workers at once, and clears it once', async () => {
    const workers = Array.from({ length: 8 }, worker);
    const all = async (failing: boolean): Promise<number> => {
      for (const { state } of workers) state.found = [finding(failing)];
      const counts = await Promise.all(workers.map(({ watch }) => watch.round()));
      return counts.reduce((sum, n) => sum + n, 0);
    };
    expect(await all(true)).toBe(1);
    expect(await all(true)).toBe(0);
    expect(await all(false)).toBe(1);
    expect(await written()).toEqual(['AlertRaised', 'AlertCleared']);
  });

  it('does not judge by figures that are older than what another worker has judged by', async () => {
    const slow = worker();
    const quick = worker();
    slow.state.found = [finding(true)];
    slow.state.beforeJudging = async () => {
      quick.state.found = [finding(true)];
      await quick.watch.round();
      quick.state.found = [finding(false)];
      await quick.watch.round();
    };
    expect(await slow.watch.round()).toBe(0);
    expect(await written()).toEqual(['AlertRaised', 'AlertCleared']);
  });

  it('keeps an acknowledgement, given twice at once, as one', async () => {
    const { alerts, state, watch } = worker();
    state.found = [finding(true)];
    await watch.round();
    const other = worker().alerts;
    await Promise.all([
      alerts.acknowledge('acceptance', {}, rita, 'c0000000-0000-4000-8000-000000000001'),
      other.acknowledge('acceptance', {}, rita, 'c0000000-0000-4000-8000-000000000002'),
    ]);
    expect(await written()).toEqual(['AlertRaised', 'AlertAcknowledged']);
  });

  it('goes on after an outage, and stops when it is told to', async () => {
    const stop = new AbortController();
    const errors: unknown[] = [];
    let rounds = 0;
    const { alerts } = worker();
    const watch = new AlertWatch({
      alerts,
      findings: () => {
        rounds += 1;
        if (rounds === 1) return Promise.reject(new Error('away'));
        stop.abort();
        return Promise.resolve([finding(true)]);
      },
      reflected: () => Promise.resolve('0'),
      onError: (error) => errors.push(error),
      pollMs: 1,
      restPerWork: 0,
    });
    await watch.run(stop.signal);
    expect([rounds, errors.length]).toEqual([2, 1]);
    expect(await written()).toEqual(['AlertRaised']);
  });
});
