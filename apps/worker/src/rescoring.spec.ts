import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventLogError } from '#libs/event-log/src/event-log.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { CommandWorld, type CommandSide } from '../../../test/support/command-path.js';
import { Rescoring } from './rescoring.js';

const EASIER = { thresholds: { mql: { minTotal: 30, minGrade: 'C' as const } } };

describe('a model activated for the leads there are', () => {
  let world: CommandWorld;
  let one: CommandSide;
  beforeEach(async () => {
    world = await CommandWorld.open();
    one = world.process();
  });
  afterEach(() => world.close());

  let version = 1;
  const activate = async (change: Partial<ScoringModelDocument>, rescoreExisting = true) => {
    version += 1;
    const occurredAt = new Date(world.clock.nowMs()).toISOString();
    const of = (type: string, data: object) => ({
      id: randomUUID(),
      type,
      data: { occurredAt, version, ...data },
      metadata: {},
    });
    const events = [
      of('ScoringModelDrafted', { ...defaultModel, ...change }),
      of('ScoringModelActivated', { effectiveFrom: occurredAt, rescoreExisting }),
    ];
    await world.log.append({ stream: 'scoringmodel-default', expectedRevision: 'any', events });
    await world.policies.catchUp();
  };
  const capture = async (role = 'decision_maker') =>
    (await one.capture(`${randomUUID()}@example.org`, { role, interest: { kind: 'passive' } })).leadId;
  type Execute = CommandSide['commands']['execute'];
  const rescoring = (execute: Execute = (command) => one.commands.execute(command), pageSize = 1000) => {
    const { clock, log, policies } = world;
    return new Rescoring({
      log,
      models: policies.models,
      nowMs: () => clock.nowMs(),
      testClock: true,
      execute,
      pageSize,
    });
  };
  const typesOf = async (leadId: string) => (await world.log.readStream(`lead-${leadId}`)).map(({ type }) => type);
  const jobEvents = async () =>
    (await world.log.readAll({ limit: 1000, filter: { streamPrefixes: ['bulkjob-'] } })).events;

  it('scores each of them once and marks who crosses, in its own name', async () => {
    const warm = await capture();
    await one.send('RecordBehaviour', warm, { kind: 'case_study' });
    const cold = await capture('user');
    await activate(EASIER);
    expect(await rescoring().round()).toBe(2);
    expect((await typesOf(warm)).slice(-4)).toEqual(['LeadScored', 'MarkedMQL', 'HandedOffToSales', 'SlaClockStarted']);
    expect((await world.log.readStream(`lead-${cold}`)).at(-1)).toMatchObject({
      type: 'LeadScored',
      data: { cause: 'model_activated', modelVersion: version, grade: 'D' },
      metadata: { actor: { id: 'system:scoring' }, policyRefs: { scoringModelVersion: version } },
    });
    const head = await world.log.head();
    expect(await rescoring().round()).toBe(0);
    expect(await world.log.head()).toBe(head);
    expect((await jobEvents()).map(({ data, type }) => [type, data.done])).toEqual([
      ['BulkStarted', undefined],
      ['BulkFinished', 2],
    ]);
  });

  it('leaves them alone where the activation does not ask for it, and those scored meanwhile', async () => {
    await capture();
    await activate(EASIER, false);
    expect(await rescoring().round()).toBe(0);
    const lead = await capture();
    await activate(EASIER);
    await one.send('IdentifyRole', lead, { role: 'user' });
    const before = await typesOf(lead);
    await rescoring().round();
    expect(await typesOf(lead)).toEqual(before);
  });

  it('goes on where it was cut off, by whichever worker', async () => {
    const leads: string[] = [];
    for (let n = 0; n < 5; n++) leads.push(await capture());
    await activate(EASIER);
    let left = 2;
    const dying = rescoring((command) =>
      left-- > 0 ? one.commands.execute(command) : Promise.reject(new EventLogError('STORE_UNAVAILABLE', 'gone')),
    );
    await expect(dying.round()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const workers = await Promise.all([rescoring().round(), rescoring().round()]);
    expect(Math.max(...workers)).toBe(5);
    for (const lead of leads) expect((await typesOf(lead)).filter((type) => type === 'LeadScored')).toHaveLength(2);
  });

  it('stops when another model has come into force', async () => {
    const leads = [await capture(), await capture(), await capture()];
    await activate(EASIER);
    let given = 0;
    const overtaken = rescoring(async (command) => {
      const answer = await one.commands.execute(command);
      if (++given === 1) await activate({}, false);
      return answer;
    }, 1);
    expect(await overtaken.round()).toBe(1);
    expect(await typesOf(leads[2]!)).toEqual(['LeadCaptured', 'LeadScored']);
    expect((await jobEvents()).at(-1)).toMatchObject({
      type: 'BulkFinished',
      data: { outcome: 'superseded', done: 1 },
    });
  });
});
