import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type BulkJob, bulkStream, countsOf, itemsOf, loadBulkJob, statusOf } from '#apps/api/src/bulk/bulk-job.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { EventLogError, type EventLog } from '#libs/event-log/src/event-log.js';
import type { CommandName } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { seal } from '#libs/privacy/src/sealed-fields.js';
import { actor, CommandWorld, type CommandSide } from '../../../test/support/command-path.js';
import { BulkWorker } from './bulk-worker.js';

describe('a bulk command', () => {
  let world: CommandWorld;
  let one: CommandSide;
  beforeEach(async () => {
    world = await CommandWorld.open();
    one = world.process();
  });
  afterEach(() => world.close());

  const capture = async () => (await one.capture(`${randomUUID()}@example.org`)).leadId;
  const captures = async (count: number) => Promise.all(Array.from({ length: count }, capture));
  const begin = async (command: CommandName, leadIds: string[], body: object = {}, by = actor('ops', 'olga')) => {
    const id = randomUUID();
    const first = randomUUID();
    const occurredAt = new Date(world.clock.nowMs()).toISOString();
    const key = await one.vault.keyFor(id, { occurredAt, metadata: {} });
    const data = seal({ occurredAt, command, leadIds, actor: by }, { body }, key, `${id}/${first}`);
    const event = { id: first, type: 'BulkStarted', data, metadata: { commandHash: 'x', piiKeyId: key.keyId } };
    await world.log.append({ stream: bulkStream(id), expectedRevision: 'no_stream', events: [event] });
    return id;
  };
  type Execute = CommandSide['commands']['execute'];
  const worker = (execute: Execute = (command) => one.commands.execute(command), log: EventLog = world.log) =>
    new BulkWorker({ log, vault: one.vault, nowMs: () => world.clock.nowMs(), testClock: true, execute, pageSize: 3 });
  const job = async (id: string) => (await loadBulkJob(world.log, id)) as BulkJob;
  const typesOf = async (leadId: string) => (await world.log.readStream(`lead-${leadId}`)).map(({ type }) => type);
  const owners = async (leadId: string) => (await typesOf(leadId)).filter((type) => type === 'OwnerAssigned').length;

  it('gives each lead a command of its own, in the name of whoever began it, and tells what became of it', async () => {
    const [first, second] = (await captures(2)) as [string, string];
    await one.send('MarkJunk', second, { reasonCode: 'spam' }, { by: actor('ops') });
    const unknown = randomUUID();
    const id = await begin('MarkJunk', [first, second, unknown], { reasonCode: 'bot' });
    expect(await worker().round()).toBe(1);
    expect(itemsOf(await job(id))).toEqual([
      expect.objectContaining({ leadId: first, outcome: 'done', events: ['MarkedJunk'] }),
      { leadId: second, outcome: 'failed', code: 'INVALID_TRANSITION' },
      { leadId: unknown, outcome: 'failed', code: 'LEAD_NOT_FOUND' },
    ]);
    expect(statusOf(await job(id))).toBe('finished');
    expect((await world.log.readStream(`lead-${first}`)).at(-1)).toMatchObject({
      type: 'MarkedJunk',
      metadata: {
        commandId: derivedId(first, id),
        actor: { id: 'olga', role: 'ops' },
        source: { bulkJobId: id },
        $correlationId: id,
      },
    });
    const head = await world.log.head();
    expect(await worker().round()).toBe(0);
    expect(await world.log.head()).toBe(head);
  });

  it('goes on after a crash, and what was done but not written down is done once', async () => {
    const leadIds = await captures(8);
    const id = await begin('AssignOwner', leadIds, { ownerId: 'rita', teamId: 'sales' });
    let left = 5;
    const dying = worker((command) =>
      left-- > 0 ? one.commands.execute(command) : Promise.reject(new EventLogError('STORE_UNAVAILABLE', 'gone')),
    );
    await expect(dying.round()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    // Five were reached; of the second page nothing was written down.
    expect(countsOf(await job(id))).toMatchObject({ done: 3, pending: 5 });
    expect(await worker().round()).toBe(1);
    expect(countsOf(await job(id))).toEqual({ total: 8, done: 8, failed: 0, pending: 0 });
    for (const leadId of leadIds) expect(await owners(leadId)).toBe(1);
  });

  it('is carried out once by two workers at the same time', async () => {
    const leadIds = await captures(10);
    const id = await begin('AssignOwner', leadIds, { ownerId: 'rita', teamId: 'sales' });
    const other = world.process();
    await Promise.all([worker().round(), worker((command) => other.commands.execute(command)).round()]);
    const types = (await world.log.readStream(bulkStream(id))).map(({ type }) => type);
    expect(types.filter((type) => type === 'BulkItemDone')).toHaveLength(10);
    expect(types.filter((type) => type === 'BulkFinished')).toHaveLength(1);
    for (const leadId of leadIds) expect(await owners(leadId)).toBe(1);
  });

  it('leaves the leads it has not reached when it is cancelled', async () => {
    const leadIds = await captures(8);
    const id = await begin('AssignOwner', leadIds, { ownerId: 'rita', teamId: 'sales' });
    let given = 0;
    const cancelled = worker(async (command) => {
      given += 1;
      if (given === 2) {
        const event = {
          id: randomUUID(),
          type: 'BulkCancelled',
          data: { occurredAt: new Date(world.clock.nowMs()).toISOString(), by: 'olga' },
          metadata: {},
        };
        await world.log.append({ stream: bulkStream(id), expectedRevision: 'any', events: [event] });
      }
      return one.commands.execute(command);
    });
    expect(await cancelled.round()).toBe(1);
    expect(statusOf(await job(id))).toBe('cancelled');
    expect(countsOf(await job(id))).toEqual({ total: 8, done: 3, failed: 0, pending: 5 });
    expect(await owners(leadIds[7] as string)).toBe(0);
    expect((await world.log.readStream(bulkStream(id))).at(-1)).toMatchObject({
      type: 'BulkFinished',
      data: { outcome: 'cancelled', done: 3, notReached: 5 },
    });
  });

  it('tries a lead again that somebody worked with at the same moment', async () => {
    const [leadId] = (await captures(1)) as [string];
    const id = await begin('AssignOwner', [leadId], { ownerId: 'rita', teamId: 'sales' });
    let disturbed = false;
    const busy = worker((command) => {
      if (disturbed) return one.commands.execute(command);
      disturbed = true;
      return Promise.reject(new LeadError('CONFLICT', 'the lead was changed just now'));
    });
    await busy.round();
    expect(countsOf(await job(id))).toMatchObject({ done: 1, failed: 0 });
  });

  it('keeps the words of the command sealed', async () => {
    const [leadId] = (await captures(1)) as [string];
    const id = await begin('DisqualifyLead', [leadId], { reasonCode: 'other', note: 'Ada told us so' });
    await worker().round();
    const stored = JSON.stringify(await world.log.readStream(bulkStream(id)));
    expect(stored).not.toContain('Ada');
    expect((await one.reader.timeline(leadId)).at(-1)).toMatchObject({ type: 'Disqualified', note: 'Ada told us so' });
  });
});
