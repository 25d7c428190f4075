import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandWorld, type CommandSide } from '../../../../test/support/command-path.js';

const WEEK_MS = 7 * 86_400_000;

describe('leads shared out among people', () => {
  let world: CommandWorld;
  let one: CommandSide;
  beforeEach(async () => {
    world = await CommandWorld.open();
    one = world.process();
    await tell('team-sales', 'RoutingRuleSet', { strategies: ['round_robin'] });
    for (const repId of ['rita', 'rolf', 'rosa'])
      await tell(`rep-${repId}`, 'RepJoined', { repId, teamId: 'sales', weeklyLeadCapacity: 10 });
  });
  afterEach(() => world.close());

  const tell = async (stream: string, type: string, data: object = {}) => {
    const occurredAt = new Date(world.clock.nowMs()).toISOString();
    const event = { id: randomUUID(), type, data: { occurredAt, ...data }, metadata: {} };
    await world.log.append({ stream, expectedRevision: 'any', events: [event] });
    await world.policies.catchUp();
  };
  const offer = async (side: CommandSide = one): Promise<string> => {
    const { leadId } = await side.capture(`${randomUUID()}@example.org`);
    await side.send('MarkMQL', leadId, { reason: 'fits' });
    return (await side.reader.lead(leadId))?.lead.ownerId ?? 'nobody';
  };
  const counted = (owners: readonly string[]) =>
    Object.fromEntries([...new Set(owners)].sort().map((id) => [id, owners.filter((one_) => one_ === id).length]));

  it('gives as many to each, one after another', async () => {
    const owners: string[] = [];
    for (let n = 0; n < 6; n++) owners.push(await offer());
    expect(counted(owners)).toEqual({ rita: 2, rolf: 2, rosa: 2 });
  });

  it('gives as many to each when they come at the same moment', async () => {
    await offer();
    const owners = await Promise.all(Array.from({ length: 11 }, () => offer()));
    expect(Math.max(...Object.values(counted(owners)))).toBeLessThanOrEqual(4);
  });

  it('knows in every process, and after a restart, what was given', async () => {
    await offer();
    await offer();
    const taken = await Promise.all([offer(), offer(), offer()]);
    const restarted = world.process();
    const other = [await offer(restarted), await offer(restarted), await offer(restarted)];
    expect(counted(other)).toEqual({ rita: 1, rolf: 1, rosa: 1 });
    const both = [...taken, ...other, await offer(), await offer()];
    expect(Math.max(...Object.values(counted(both)))).toBeLessThanOrEqual(4);
  });

  it('counts anew on Monday', async () => {
    await tell('rep-rita', 'RepCapacityChanged', { repId: 'rita', weeklyLeadCapacity: 1 });
    for (const repId of ['rolf', 'rosa']) await tell(`rep-${repId}`, 'RepLeft', { repId });
    const { leadId } = await one.capture('first@example.org');
    await one.send('MarkMQL', leadId, { reason: 'fits' });
    const warned = async () => {
      const { leadId: next } = await one.capture(`${randomUUID()}@example.org`);
      await one.send('MarkMQL', next, { reason: 'fits' });
      const assigned = (await world.log.readStream(`lead-${next}`)).find(({ type }) => type === 'OwnerAssigned');
      return assigned?.data.policyWarnings ?? [];
    };
    expect(await warned()).toEqual(['CAPACITY_EXCEEDED']);
    world.clock.set(world.clock.nowMs() + WEEK_MS);
    expect(await warned()).toEqual([]);
    expect(await warned()).toEqual(['CAPACITY_EXCEEDED']);
  });
});
