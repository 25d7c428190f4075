import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Append, type EventLog, EventLogError } from '#libs/event-log/src/event-log.js';
import { foldBatch } from '#libs/read-models/src/given-when-then.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { actor, type CommandSide, CommandWorld } from '../../../test/support/command-path.js';
import { MergeResumer } from './merge-resumer.js';

const MINUTE_MS = 60_000;

let world: CommandWorld;
let one: CommandSide;
beforeAll(async () => {
  world = await CommandWorld.open();
  one = world.process();
});
afterAll(() => world.close());

/** The read models with all that is in the log. */
async function filled(): Promise<ReadView> {
  const view = new MemoryStore().open(funnelProjection.name, funnelProjection.version);
  const { events } = await world.log.readAll({ limit: 100_000, filter: { streamPrefixes: ['lead-'] } });
  await foldBatch(view, events);
  return view;
}

/** A merge of two new leads by a process that dies before it writes the type. */
async function stoppedBefore(type: string): Promise<{ survivor: string; duplicate: string; email: string }> {
  const email = `${randomUUID()}@example.org`;
  const survivor = (await one.capture(`${randomUUID()}@example.org`)).leadId;
  const duplicate = (await one.capture(email)).leadId;
  const append = async (given: Append) => {
    if (given.events.some((event) => event.type === type)) throw new EventLogError('STORE_UNAVAILABLE', 'kill -9');
    return world.log.append(given);
  };
  const dying = new Proxy<EventLog>(world.log, {
    get(target, property) {
      if (property === 'append') return append;
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const merge = world.process(dying).send('MergeLeads', survivor, { duplicateLeadId: duplicate }, { by: actor('ops') });
  await expect(merge).rejects.toThrow('kill -9');
  return { survivor, duplicate, email };
}

const stateOf = async (leadId: string) => (await one.reader.lead(leadId))!.lead.state;

function resumer(resume = (survivor: string, mergeId: string) => one.commands.resumeMerge(survivor, mergeId)) {
  const errors: unknown[] = [];
  const resuming = new MergeResumer({
    view: filled,
    nowMs: () => world.clock.nowMs(),
    resume,
    onError: (_leadId, error) => errors.push(error),
  });
  return { errors, resuming };
}

describe('the merge resumer', () => {
  it('finishes merges that stopped anywhere, after a start and later', async () => {
    const { errors, resuming } = resumer();
    for (const type of ['MergedInto', 'IdentityTransferred']) {
      const { duplicate, email, survivor } = await stoppedBefore(type);
      world.clock.set(world.clock.nowMs() + MINUTE_MS);
      expect(await resuming.round()).toBeGreaterThan(0);
      expect(await stateOf(duplicate)).toBe('MERGED');
      expect((await one.claims.holder(one.claims.email(email)))?.leadId).toBe(survivor);
    }
    expect(errors).toEqual([]);
  });

  it('leaves a merge alone that is still on its way', async () => {
    const { duplicate } = await stoppedBefore('MergedInto');
    await resumer().resuming.round();
    expect(await stateOf(duplicate)).toBe('LEAD');
  });

  it('tries again what the log was away for, long after', async () => {
    const { duplicate } = await stoppedBefore('MergedInto');
    world.clock.set(world.clock.nowMs() + MINUTE_MS);
    let away = true;
    const { errors, resuming } = resumer((survivor, mergeId) =>
      away
        ? Promise.reject(new EventLogError('STORE_UNAVAILABLE', 'gone'))
        : one.commands.resumeMerge(survivor, mergeId),
    );
    await resuming.round();
    expect(errors.length).toBeGreaterThan(0);
    away = false;
    world.clock.set(world.clock.nowMs() + 60 * MINUTE_MS);
    await resuming.round();
    expect(await stateOf(duplicate)).toBe('MERGED');
    world.clock.set(world.clock.nowMs() + 60 * MINUTE_MS);
    expect(await resuming.round()).toBe(0);
  });
});
