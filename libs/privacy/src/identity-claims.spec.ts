import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { IdentityClaims, identityStream, normaliseEmail, normalisePhone } from './identity-claims.js';
import { masterKeyOf } from './master-key.js';

const master = masterKeyOf(Buffer.alloc(32, 7));
const envelope = { occurredAt: '2026-01-01T00:00:00.000Z', metadata: { commandId: 'c' } };

describe('identity keys', () => {
  it.each([
    [' Ada@Example.ORG ', 'ada@example.org'],
    ['ada.l+news@example.org', 'ada.l+news@example.org'],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@XN--BCHER-KVA.example', 'ada@xn--bcher-kva.example'],
  ])('normalise the address %s', (given, normalised) => {
    expect(normaliseEmail(given)).toBe(normalised);
  });

  it.each(['', 'ada', '@example.org', 'ada@', 'ada@exa mple'])(
    'refuse the address "%s" without repeating it',
    (given) => {
      expect(() => normaliseEmail(given)).toThrow('not an e-mail address');
    },
  );

  it.each([
    ['+49 (0) 30 123'.replace('(0) ', ''), '+4930123'],
    ['+1-202-555.0143', '+12025550143'],
  ])('normalise the number %s', (given, normalised) => {
    expect(normalisePhone(given)).toBe(normalised);
  });

  it.each(['030 123', '+0', '+', '+12345678901234567', '+49a'])('refuse the number "%s"', (given) => {
    expect(() => normalisePhone(given)).toThrow('not an E.164 number');
  });

  it('keep the kinds apart and depend on the master key', () => {
    const claims = new IdentityClaims(null as never, master);
    const other = new IdentityClaims(null as never, masterKeyOf(Buffer.alloc(32, 8)));
    const hashes = [
      claims.email('ada@example.org').keyHash,
      other.email('ada@example.org').keyHash,
      claims.external('crm', 'ada@example.org').keyHash,
    ];
    expect(new Set(hashes).size).toBe(3);
    expect(hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
  });
});

describe('identity claims', () => {
  let dir: string;
  let log: EmbeddedLog;
  let claims: IdentityClaims;
  let personNo = 0;
  const newPerson = () => claims.email(`person${++personNo}@example.org`);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'identity-claims-'));
    log = await EmbeddedLog.open({ dir, clock: { nowMs: () => 0 } });
    claims = new IdentityClaims(log, master);
  });
  afterAll(async () => {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('go to exactly one of many who claim at once, and the others learn who', async () => {
    const key = newPerson();
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((lead) => claims.claim(key, lead, envelope)));
    expect(answers.filter((holder) => holder === null)).toHaveLength(1);
    const { leadId } = (await claims.holder(key))!;
    expect(answers.filter((holder) => holder?.leadId === leadId)).toHaveLength(3);
    expect(await log.readStream(identityStream(key))).toHaveLength(1);
  });

  it('may be made again by their holder', async () => {
    const key = newPerson();
    expect(await claims.claim(key, 'a', envelope)).toBeNull();
    expect(await claims.claim(key, 'a', envelope)).toBeNull();
    expect(await log.readStream(identityStream(key))).toHaveLength(1);
  });

  it('are free after a release, and only the holder releases', async () => {
    const key = newPerson();
    await claims.claim(key, 'a', envelope);
    await claims.release(key, 'b', 'not yours', envelope);
    expect(await claims.claim(key, 'b', envelope)).toMatchObject({ leadId: 'a' });
    await claims.release(key, 'a', 'changed', envelope);
    expect(await claims.claim(key, 'b', envelope)).toBeNull();
    expect((await log.readStream(identityStream(key))).map(({ type }) => type)).toEqual([
      'IdentityClaimed',
      'IdentityReleased',
      'IdentityClaimed',
    ]);
  });

  it('are taken over by one of several who find them abandoned', async () => {
    const key = newPerson();
    await claims.claim(key, 'gone', envelope);
    const abandoned = (await claims.holder(key))!;
    const taken = await Promise.all(['a', 'b'].map((lead) => claims.reclaim(key, abandoned, lead, envelope)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect((await claims.holder(key))?.leadId).toBe(taken[0] ? 'a' : 'b');
  });

  it('follow a merge once and come back once, however often either is repeated', async () => {
    const key = newPerson();
    await claims.claim(key, 'duplicate', envelope);
    const there = { from: 'duplicate', to: 'survivor', mergeId: 'm1' };
    const back = { from: 'survivor', to: 'duplicate', mergeId: 'm1', back: true };
    await Promise.all([1, 2, 3].map(() => claims.transfer(key, there, envelope)));
    expect((await claims.holder(key))?.leadId).toBe('survivor');
    for (const move of [there, back, back, there]) await claims.transfer(key, move, envelope);
    expect((await claims.holder(key))?.leadId).toBe('duplicate');
    expect((await log.readStream(identityStream(key))).map(({ data, type }) => [type, data.to])).toEqual([
      ['IdentityClaimed', undefined],
      ['IdentityTransferred', 'survivor'],
      ['IdentityTransferred', 'duplicate'],
    ]);
    await claims.transfer(key, { ...there, mergeId: 'm2' }, envelope);
    expect((await claims.holder(key))?.leadId).toBe('survivor');
  });

  it('stay where they are when a merge comes after its end, or the key is nobody’s or somebody else’s', async () => {
    const [late, free, foreign] = [newPerson(), newPerson(), newPerson()];
    for (const key of [late, free, foreign]) await claims.claim(key, key === foreign ? 'third' : 'duplicate', envelope);
    await claims.release(free, 'duplicate', 'changed', envelope);
    const there = { from: 'duplicate', to: 'survivor', mergeId: 'm1' };
    await claims.transfer(late, { from: 'survivor', to: 'duplicate', mergeId: 'm1', back: true }, envelope);
    for (const key of [late, free, foreign]) await claims.transfer(key, there, envelope);
    expect((await claims.holder(late))?.leadId).toBe('duplicate');
    expect((await claims.holder(free))?.released).toBe(true);
    expect((await claims.holder(foreign))?.leadId).toBe('third');
    expect(await claims.transfer(newPerson(), there, envelope)).toBeUndefined();
  });

  it('hold neither the address nor the number in any stored byte', async () => {
    await claims.claim(claims.email('very.personal@example.org'), 'a', envelope);
    await claims.claim(claims.phone('+493012345'), 'a', envelope);
    const { events } = await log.readAll({ limit: 1000 });
    expect(JSON.stringify(events)).not.toMatch(/very\.personal|493012345/);
  });
});
