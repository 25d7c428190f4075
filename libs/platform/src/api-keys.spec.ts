import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { ApiKeys } from './api-keys.js';
import { SystemClock } from './clock.js';
import { makeLogger } from './logging.js';

const ADMIN_KEY = 'an-administrators-key-of-a-test';
const admin: Actor = { type: 'user', id: 'admin', role: 'admin', teams: [] };
const opened: (() => Promise<void>)[] = [];

async function twoInstances() {
  const dir = await mkdtemp(join(tmpdir(), 'api-keys-'));
  const log = await EmbeddedLog.open({ dir, clock: new SystemClock() });
  const make = async () => {
    const keys = new ApiKeys(log, new SystemClock(), makeLogger('silent', 'test'), ADMIN_KEY);
    await keys.open();
    return keys;
  };
  const [one, other] = [await make(), await make()];
  opened.push(async () => {
    await Promise.all([one.close(), other.close()]);
    await log.close();
    await rm(dir, { recursive: true });
  });
  return { one, other, log };
}
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const until = async (condition: () => Promise<boolean>) => {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
};

describe('API keys', () => {
  it('work at once on every instance and stop working on every instance when revoked', async () => {
    const { one, other } = await twoInstances();
    const { token, card } = await one.issue({ name: 'Rita', actorId: 'rita', role: 'sales', teams: ['sales'] }, admin);
    const rita = { type: 'user', id: 'rita', role: 'sales', teams: ['sales'] };
    expect(await one.actorOf(token)).toEqual(rita);
    expect(await other.actorOf(token)).toEqual(rita);

    expect(await one.revoke(card.keyId, admin)).toMatchObject({ revokedAt: expect.any(String) });
    expect(await one.actorOf(token)).toBeNull();
    expect(await until(async () => (await other.actorOf(token)) === null)).toBe(true);
    expect(await other.revoke(card.keyId, admin)).toMatchObject({ revokedAt: expect.any(String) });
  });

  it('are refused with another secret, another form, or nothing behind them', async () => {
    const { one } = await twoInstances();
    const { token } = await one.issue({ name: 'a', role: 'analyst', teams: [] }, admin);
    const { token: another } = await one.issue({ name: 'b', role: 'analyst', teams: [] }, admin);
    expect(await one.actorOf(token.slice(0, 20) + another.slice(20))).toBeNull();
    expect(await one.actorOf(`${token}x`)).toBeNull();
    expect(await one.actorOf('ll_0123456789abcdef_' + 'a'.repeat(43))).toBeNull();
    expect(await one.actorOf(ADMIN_KEY)).toEqual(admin);
    expect(await one.revoke('0123456789abcdef', admin)).toBeNull();
  });

  it('reach the log as hashes only, and lists tell neither secret nor hash', async () => {
    const { one, other, log } = await twoInstances();
    const { token, card } = await one.issue({ name: 'Importer', role: 'integration', teams: [] }, admin);
    const secret = token.split('_')[2] as string;
    expect(JSON.stringify(await log.readAll({ limit: 100 }))).not.toContain(secret);
    const listed = await other.list();
    expect(listed).toEqual([card]);
    expect(card).toMatchObject({
      name: 'Importer',
      actorId: `key-${card.keyId}`,
      role: 'integration',
      revokedAt: null,
    });
    expect(JSON.stringify(listed)).not.toMatch(/hash/i);
  });
});
