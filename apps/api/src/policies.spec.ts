import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { JsonObject } from '#libs/event-log/src/event-log.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { defaultScoringEvents } from '#libs/scoring/src/default-model.js';
import { Policies } from './policies.js';

const NOW_MS = Date.parse('2026-03-02T09:00:00.000Z');
const SEEDED = defaultConfigEvents(NOW_MS).length + defaultScoringEvents(NOW_MS).length;

describe('the configuration in force', () => {
  const clock = new TestClock(NOW_MS);
  let dir: string;
  let log: EmbeddedLog;
  const policies = (onBroken?: (event: unknown) => void) =>
    new Policies({ log, clock, ...(onBroken === undefined ? {} : { onBroken }) });

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'policies-'));
    log = await EmbeddedLog.open({ dir, clock });
  });
  afterEach(async () => {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const eventCount = async () => (await log.readAll({ limit: 1000 })).events.length;
  let eventNo = 0;
  const append = (stream: string, type: string, data: JsonObject) =>
    log.append({
      stream,
      expectedRevision: 'any',
      events: [{ id: `00000000-0000-4000-8000-${String(++eventNo).padStart(12, '0')}`, type, data, metadata: {} }],
    });
  const at = { occurredAt: '2026-03-02T09:00:00.000Z' };
  const team = { name: 'EMEA', function: 'sales', agreementId: 'standard', calendarId: 'office', timeZone: 'UTC' };

  it('is the default one at the first start, written to the log once', async () => {
    const first = policies();
    await first.load();
    expect(first.book.missing()).toEqual([]);
    const seeded = await eventCount();
    expect(seeded).toBe(SEEDED);
    expect(first.models.inForce(NOW_MS)).toMatchObject({ modelId: 'default', version: 1 });
    const second = policies();
    await second.load();
    expect(second.book.missing()).toEqual([]);
    expect(await eventCount()).toBe(seeded);
  });

  it('is at least what another one knew when it asks, and is not read again when it is', async () => {
    const here = policies();
    await here.load();
    const there = policies();
    await there.load();
    await append('team-emea', 'TeamDefined', { ...at, ...team });
    await here.catchUp();
    expect(here.changedAt).not.toBeNull();
    expect(there.book.team('emea')).toBeNull();
    await there.reach(here.changedAt);
    expect(there.book.team('emea')).toMatchObject({ name: 'EMEA' });
    expect(there.changedAt).toBe(here.changedAt);

    await append('team-apac', 'TeamDefined', { ...at, ...team, name: 'APAC' });
    await there.reach(here.changedAt);
    expect(there.book.team('apac')).toBeNull();
  });

  it('is written once by two processes that start at the same time', async () => {
    const both = [policies(), policies()];
    await Promise.all(both.map((each) => each.load()));
    expect(both.map((each) => each.book.missing())).toEqual([[], []]);
    expect(await eventCount()).toBe(SEEDED);
  });

  it('completes a first start that was cut off half-way', async () => {
    for (const { data, stream, type } of defaultConfigEvents(NOW_MS).slice(0, 2))
      await append(stream, type, { ...data });
    const after = policies();
    await after.load();
    expect(after.book.missing()).toEqual([]);
    expect(await eventCount()).toBe(SEEDED);
  });

  it('keeps what an organisation has defined itself', async () => {
    await append('team-sales', 'TeamDefined', { ...at, ...team });
    const own = policies();
    await own.load();
    expect(own.book.team('sales')?.name).toBe('EMEA');
  });

  it('follows a change that another process makes, and a catch-up in between counts nothing twice', async () => {
    const stop = new AbortController();
    const followed = policies();
    await followed.load();
    const following = followed.follow(stop.signal);
    await append('team-emea', 'TeamDefined', { ...at, ...team });
    await followed.catchUp();
    expect(followed.book.team('emea')?.name).toBe('EMEA');
    await append('team-apac', 'TeamDefined', { ...at, ...team, name: 'APAC' });
    for (let tries = 0; followed.book.team('apac') === null && tries < 200; tries++) await sleep(10);
    expect(followed.book.team('apac')?.name).toBe('APAC');
    stop.abort();
    await following;
  });

  it('goes on with the others when one event cannot be read', async () => {
    const broken: unknown[] = [];
    await append('team-odd', 'TeamDefined', { name: 7 });
    const rest = policies((event) => broken.push(event));
    await rest.load();
    expect(rest.book.missing()).toEqual([]);
    expect(broken).toHaveLength(1);
  });
});
