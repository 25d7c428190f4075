import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventLogError } from '#libs/event-log/src/event-log.js';
import { CommandWorld, type CommandSide } from '../../../test/support/command-path.js';
import { RepProcess } from './rep-process.js';

describe('a person who leaves', () => {
  let world: CommandWorld;
  let one: CommandSide;
  beforeEach(async () => {
    world = await CommandWorld.open();
    one = world.process();
    for (const repId of ['rita', 'rolf', 'rosa']) await tell(repId, 'RepJoined', { teamId: 'sales' });
  });
  afterEach(() => world.close());

  const tell = async (repId: string, type: string, data: object = {}) => {
    const occurredAt = new Date(world.clock.nowMs()).toISOString();
    const event = { id: randomUUID(), type, data: { occurredAt, repId, ...data }, metadata: {} };
    await world.log.append({ stream: `rep-${repId}`, expectedRevision: 'any', events: [event] });
    await world.policies.catchUp();
  };
  const owned = async (ownerId: string) => {
    const { leadId } = await one.capture(`${randomUUID()}@example.org`);
    await one.send('AssignOwner', leadId, { ownerId });
    return leadId;
  };
  type Execute = CommandSide['commands']['execute'];
  const process = (leadIds: string[], execute: Execute = (command) => one.commands.execute(command)) =>
    new RepProcess({
      log: world.log,
      nowMs: () => world.clock.nowMs(),
      testClock: true,
      policies: async () => {
        await world.policies.catchUp();
        return world.policies.book;
      },
      leadsOf: async () => leadIds,
      execute,
    });
  const ownerOf = async (leadId: string) => (await one.reader.lead(leadId))?.lead.ownerId;
  const assignments = async (leadId: string) =>
    (await world.log.readStream(`lead-${leadId}`)).filter(({ type }) => type === 'OwnerAssigned');

  it('leaves the open leads to the successor, once', async () => {
    const leads = [await owned('rita'), await owned('rita')];
    await tell('rita', 'RepLeft', { successorId: 'rolf' });
    expect(await process(leads).round()).toBe(2);
    expect(await process(leads).round()).toBe(0);
    for (const lead of leads) {
      expect(await ownerOf(lead)).toBe('rolf');
      expect((await assignments(lead)).slice(1)).toEqual([
        expect.objectContaining({
          data: expect.objectContaining({ ownerId: 'rolf', previousOwnerId: 'rita', reason: 'owner_left' }),
          metadata: expect.objectContaining({ actor: expect.objectContaining({ id: 'system:repLeft' }) }),
        }),
      ]);
    }
  });

  it('goes on where it was cut off', async () => {
    const leads = [await owned('rita'), await owned('rita'), await owned('rita')];
    await tell('rita', 'RepLeft', { successorId: 'rolf' });
    let left = 1;
    const dying = process(leads, (command) =>
      left-- > 0 ? one.commands.execute(command) : Promise.reject(new EventLogError('STORE_UNAVAILABLE', 'gone')),
    );
    await expect(dying.round()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await Promise.all([process(leads).round(), process(leads).round()]);
    for (const lead of leads) {
      expect(await ownerOf(lead)).toBe('rolf');
      expect(await assignments(lead)).toHaveLength(2);
    }
  });

  it('leaves them to the successor of a successor who is gone too, and to nobody when there is none', async () => {
    const lead = await owned('rita');
    await tell('rita', 'RepLeft', { successorId: 'rolf' });
    await tell('rolf', 'RepLeft', { successorId: 'rosa' });
    await process([lead]).round();
    expect(await ownerOf(lead)).toBe('rosa');

    const orphan = await owned('rosa');
    await tell('rosa', 'RepLeft');
    expect(await process([orphan]).round()).toBe(0);
    expect(await ownerOf(orphan)).toBe('rosa');
  });

  it('keeps the leads of somebody who has come back meanwhile', async () => {
    const lead = await owned('rita');
    await tell('rita', 'RepLeft', { successorId: 'rolf' });
    await tell('rita', 'RepJoined', { teamId: 'sales' });
    expect(await process([lead]).round()).toBe(0);
    expect(await ownerOf(lead)).toBe('rita');
  });
});
