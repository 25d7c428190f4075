import { describe, expect, it } from '@jest/globals';
import { TestClock } from '#libs/platform/src/clock.js';
import type { DueClocks } from './due-clocks.js';
import { Sweeper, type SweeperOptions } from './sweeper.js';
import { TestClockDriver } from './test-clock.js';

const MINUTE_MS = 60_000;

/** A due set without a projector: entries leave when the test says so. */
class DueSet implements DueClocks {
  readonly entries = new Map<string, number>();

  dueBy(nowMs: number): Promise<Map<string, number>> {
    return Promise.resolve(new Map([...this.entries].filter(([, dueMs]) => dueMs <= nowMs)));
  }

  nextDueAfter(afterMs: number): Promise<number | null> {
    const later = [...this.entries.values()].filter((dueMs) => dueMs > afterMs);
    return Promise.resolve(later.length === 0 ? null : Math.min(...later));
  }
}

function sweeping(options: Partial<SweeperOptions> = {}) {
  const clock = new TestClock(0);
  const due = new DueSet();
  const asked: string[] = [];
  const settle = (leadId: string) => {
    asked.push(leadId);
    return Promise.resolve();
  };
  return { asked, clock, due, sweeper: new Sweeper({ clock, due, settle, ...options }) };
}

describe('the sweeper', () => {
  it('asks the leads with something due now, and no other', async () => {
    const { asked, clock, due, sweeper } = sweeping();
    due.entries.set('past', 5).set('now', 10).set('later', 11);
    clock.set(10);
    expect(await sweeper.sweep()).toBe(2);
    expect(asked.sort()).toEqual(['now', 'past']);
  });

  it('does not ask again while the projector has not removed the entry', async () => {
    const { asked, due, sweeper } = sweeping();
    due.entries.set('lead', 0);
    await sweeper.sweep();
    await sweeper.sweep();
    expect(asked).toEqual(['lead']);
  });

  it('asks again when another instant of the same lead is due', async () => {
    const { asked, clock, due, sweeper } = sweeping();
    due.entries.set('lead', 0);
    await sweeper.sweep();
    due.entries.set('lead', 7);
    clock.set(7);
    await sweeper.sweep();
    expect(asked).toEqual(['lead', 'lead']);
  });

  it('re-checks the whole set every ten minutes: a hint that stayed is asked again', async () => {
    const { asked, clock, due, sweeper } = sweeping();
    due.entries.set('lead', 0);
    await sweeper.sweep();
    clock.set(9 * MINUTE_MS);
    await sweeper.sweep();
    expect(asked).toHaveLength(1);
    clock.set(10 * MINUTE_MS);
    await sweeper.sweep();
    expect(asked).toHaveLength(2);
  });

  it('lets a lead that cannot be settled hinder no other, nor ask it every second', async () => {
    const tried: string[] = [];
    const failed: string[] = [];
    const { due, sweeper } = sweeping({
      settle: (leadId) => {
        tried.push(leadId);
        return leadId === 'broken' ? Promise.reject(new Error('unreadable')) : Promise.resolve();
      },
      onError: (leadId) => failed.push(leadId),
    });
    due.entries.set('broken', 0).set('sound', 0);
    await sweeper.sweep();
    await sweeper.sweep();
    expect([tried.sort(), failed]).toEqual([['broken', 'sound'], ['broken']]);
  });

  it('tries again in the next round when the log was not reachable', async () => {
    let reachable = false;
    const { due, sweeper } = sweeping({
      settle: () =>
        reachable ? Promise.resolve() : Promise.reject(Object.assign(new Error(), { code: 'STORE_UNAVAILABLE' })),
    });
    due.entries.set('lead', 0);
    expect(await sweeper.sweep()).toBe(1);
    reachable = true;
    expect(await sweeper.sweep()).toBe(1);
    expect(await sweeper.sweep()).toBe(0);
  });

  it('never has more than the allowed number of leads in hand', async () => {
    let open = 0;
    let most = 0;
    const { due, sweeper } = sweeping({
      concurrency: 4,
      settle: async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setImmediate(resolve));
        open -= 1;
      },
    });
    for (let n = 0; n < 40; n++) due.entries.set(`lead-${n}`, 0);
    expect([await sweeper.sweep(), most]).toEqual([40, 4]);
  });

  it('goes on after an outage of the due set until it is told to stop', async () => {
    const stop = new AbortController();
    let rounds = 0;
    const outages: unknown[] = [];
    const due: DueClocks = {
      dueBy: () => {
        rounds += 1;
        if (rounds === 3) stop.abort();
        return rounds === 1 ? Promise.reject(new Error('gone')) : Promise.resolve(new Map());
      },
      nextDueAfter: () => Promise.resolve(null),
    };
    const { sweeper } = sweeping({ due, intervalMs: 1, onOutage: (error) => outages.push(error) });
    await sweeper.run(stop.signal);
    expect([rounds, outages.length]).toEqual([3, 1]);
  });
});

describe('the test clock', () => {
  function driven() {
    const clock = new TestClock(0);
    const due = new DueSet();
    const settled: [string, number][] = [];
    const driver = new TestClockDriver({
      clock,
      due,
      newSettler: () => (leadId) => {
        settled.push([leadId, clock.nowMs()]);
        // A second level falls due half an hour after the first.
        if (leadId === 'two-levels' && clock.nowMs() === 10) due.entries.set(leadId, 40);
        else due.entries.delete(leadId);
        return Promise.resolve();
      },
      viewsCaughtUp: () => Promise.resolve(),
    });
    due.entries.set('two-levels', 10).set('soon', 20).set('far', 99);
    return { clock, driver, settled };
  }

  it('passes through every due instant on the way and settles there', async () => {
    const { clock, driver, settled } = driven();
    await driver.set(50, 'continuous');
    expect(settled).toEqual([['two-levels', 10], ['soon', 20], ['two-levels', 40]]); // prettier-ignore
    expect(clock.nowMs()).toBe(50);
  });

  it('jumps without sweeping when told so, and sweeps when asked', async () => {
    const { driver, settled } = driven();
    await driver.set(50, 'none');
    expect(settled).toEqual([]);
    await driver.sweep(1);
    expect(settled.map(([lead, atMs]) => `${lead}@${atMs}`).sort()).toEqual(['soon@50', 'two-levels@50']);
  });

  it('gets over an entry that stays where it is', async () => {
    const clock = new TestClock(0);
    const due = new DueSet();
    due.entries.set('stuck', 10);
    const driver = new TestClockDriver({
      clock,
      due,
      newSettler: () => () => Promise.resolve(),
      viewsCaughtUp: () => Promise.resolve(),
    });
    await driver.set(50, 'continuous');
    expect(clock.nowMs()).toBe(50);
  });

  it('does not run backwards', async () => {
    const { clock, driver } = driven();
    clock.set(30);
    await expect(driver.set(29, 'none')).rejects.toMatchObject({ code: 'VALIDATION_FAILED', status: 400 });
    expect(clock.nowMs()).toBe(30);
  });
});
