import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { keyStream, KeyVault } from './key-vault.js';
import { masterKeyOf } from './master-key.js';

const master = masterKeyOf(Buffer.alloc(32, 7));
const envelope = { occurredAt: '2026-01-01T00:00:00.000Z', metadata: {} };

describe('the key vault', () => {
  let dir: string;
  let log: EmbeddedLog;
  let leadNo = 0;
  const newLead = () => `00000000-0000-4000-8000-${String(++leadNo).padStart(12, '0')}`;
  const vault = (key = master) => new KeyVault(log, key);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'key-vault-'));
    log = await EmbeddedLog.open({ dir, clock: { nowMs: () => 0 } });
  });
  afterAll(async () => {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('makes a key once and finds it again after a restart', async () => {
    const lead = newLead();
    expect(await vault().existing(lead)).toBeNull();
    const made = await vault().keyFor(lead, envelope);
    expect(await vault().existing(lead)).toEqual(made);
    expect(await vault().keyFor(lead, envelope)).toEqual(made);
    expect(await log.readStream(keyStream(lead))).toHaveLength(1);
  });

  it('gives every lead a key of its own', async () => {
    const [one, other] = [await vault().keyFor(newLead(), envelope), await vault().keyFor(newLead(), envelope)];
    expect(one.key.equals(other.key)).toBe(false);
  });

  it('lets the loser of a race use the key of the winner', async () => {
    const lead = newLead();
    const keys = await Promise.all(Array.from({ length: 8 }, () => vault().keyFor(lead, envelope)));
    expect(new Set(keys.map(({ key }) => key.toString('hex'))).size).toBe(1);
    expect(await log.readStream(keyStream(lead))).toHaveLength(1);
  });

  it('stores the key only in wrapped form', async () => {
    const lead = newLead();
    const { key } = await vault().keyFor(lead, envelope);
    const stored = JSON.stringify(await log.readStream(keyStream(lead)));
    expect(stored).not.toContain(key.toString('base64'));
    expect(stored).not.toContain(key.toString('hex'));
  });

  it('says so when the key is wrapped under another master key', async () => {
    const lead = newLead();
    await vault().keyFor(lead, envelope);
    await expect(vault(masterKeyOf(Buffer.alloc(32, 8))).existing(lead)).rejects.toMatchObject({
      code: 'MASTER_KEY_MISMATCH',
    });
  });

  it('does not unwrap a key that was tampered with or moved to another lead', async () => {
    const lead = newLead();
    await vault().keyFor(lead, envelope);
    const [event] = await log.readStream(keyStream(lead));
    const moveTo = async (wrapped: unknown): Promise<string> => {
      const thief = newLead();
      const copy = { ...event!, id: thief, data: { ...event!.data, wrapped } };
      await log.append({ stream: keyStream(thief), expectedRevision: 'no_stream', events: [copy] });
      return thief;
    };
    const wrapped = event!.data.wrapped as string;
    const flipped = Buffer.from(wrapped, 'base64');
    flipped[20]! ^= 1;
    for (const stored of [wrapped, flipped.toString('base64'), 'AAAA', 7])
      await expect(vault().existing(await moveTo(stored))).rejects.toMatchObject({ code: 'WRAPPED_KEY_BROKEN' });
  });

  it('has no key any more once the key stream is deleted', async () => {
    const lead = newLead();
    await vault().keyFor(lead, envelope);
    await log.deleteStream(keyStream(lead), 'any');
    expect(await vault().existing(lead)).toBeNull();
  });

  it('takes a master key of 32 bytes and no other', () => {
    expect(() => masterKeyOf(Buffer.alloc(31))).toThrow('32 bytes');
  });
});
