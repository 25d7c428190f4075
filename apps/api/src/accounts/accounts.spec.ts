import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accountCommandSchemas, type AccountCommandName } from '#libs/account/src/account-commands.js';
import { decideAccount } from '#libs/account/src/decide-account.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { actor, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });

let world: CommandWorld;
let one: CommandSide;

beforeAll(async () => {
  world = await CommandWorld.open();
  one = world.process();
  const at = { occurredAt: '2026-01-01T00:00:00.000Z', version: 2 };
  const icp = { minAnnualRevenue: EUR(1000), industries: [], regions: [], hardCriteria: ['annualRevenue'] };
  await configured('IcpDrafted', { ...icp, ...at });
  await configured('IcpActivated', { ...at, effectiveFrom: at.occurredAt });
  await world.policies.catchUp();
});
afterAll(() => world.close());

async function configured(type: string, data: object): Promise<void> {
  const event = { id: randomUUID(), type, data: { ...data }, metadata: {} };
  await world.log.append({ stream: 'icp-default', expectedRevision: 'any', events: [event] });
}
async function account(side: CommandSide, accountId: string, name: AccountCommandName, body: object): Promise<void> {
  const origin = {
    commandId: randomUUID(),
    commandHash: name,
    actor: actor('marketing'),
    source: { system: 'test' },
  };
  const command = { name, body: accountCommandSchemas[name].parse(body) } as Parameters<typeof decideAccount>[1];
  await side.accounts.streams.handle(accountId, origin, undefined, (state) =>
    decideAccount(state, command, { nowMs: world.clock.nowMs(), policies: world.policies.book, named: 'there' }),
  );
}
const fitOf = async (leadId: string) => (await one.reader.lead(leadId))!.lead.icpFit;

describe('a lead of an account', () => {
  it('is judged by what another process has just written to the account', async () => {
    const other = world.process();
    await account(one, 'acme', 'RegisterAccount', { name: 'Acme' });
    const { leadId } = await one.capture('a@example.org', { accountId: 'acme' });
    expect((await fitOf(leadId))?.result).toBe('unknown');
    await account(other, 'acme', 'UpdateFirmographics', { annualRevenue: EUR(1) });
    await one.send('AssessIcpFit', leadId);
    expect((await fitOf(leadId))?.result).toBe('fail');
  });

  it.each(['LinkAccount', 'CaptureLead'] as const)(
    'is judged once more when the account changes while %s is under way',
    async (name) => {
      const accountId = `racing-${name}`;
      await account(one, accountId, 'RegisterAccount', { name: 'Racing' });
      await account(one, accountId, 'UpdateFirmographics', { annualRevenue: EUR(1) });
      let raced = false;
      const race = async () => {
        if (raced) return;
        raced = true;
        await account(one, accountId, 'UpdateFirmographics', { annualRevenue: EUR(1000) });
      };
      // Between the reading of the account and the append to the lead.
      const log = new Proxy<EventLog>(world.log, {
        get(target, property) {
          const value = Reflect.get(target, property) as unknown;
          if (typeof value !== 'function') return value;
          const call = value.bind(target) as (...given: unknown[]) => unknown;
          if (!String(property).startsWith('append')) return call;
          return async (...given: unknown[]) => {
            await race();
            return call(...given);
          };
        },
      });
      const racing = world.process(log);
      const body = { accountId };
      const email = `${name}@example.org`;
      const leadId =
        name === 'CaptureLead' ? (await racing.capture(email, body)).leadId : (await one.capture(email)).leadId;
      if (name === 'LinkAccount') await racing.send(name, leadId, body);
      const types = (await world.log.readStream(`lead-${leadId}`)).map(({ type }) => type);
      expect(types.filter((type) => type === 'IcpFitAssessed')).toHaveLength(2);
      expect((await fitOf(leadId))?.result).toBe('pass');
    },
  );

  it('of an account nobody registered is not captured, and its person not claimed', async () => {
    const refused = one.capture('b@example.org', { accountId: 'nobody' });
    await expect(refused).rejects.toMatchObject({ code: 'UNKNOWN_ACCOUNT', facts: { field: 'accountId' } });
    await expect(one.capture('b@example.org', { accountId: 'no such/name' })).rejects.toMatchObject({
      code: 'UNKNOWN_ACCOUNT',
    });
    expect((await one.capture('b@example.org')).state).toBe('LEAD');
  });
});
