import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Append, EventLog, ReadStreamOptions } from '#libs/event-log/src/event-log.js';
import { loadStream } from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { decide } from '#libs/lead/src/decide.js';
import { defaultModel } from '#libs/scoring/src/default-model.js';
import { captureBody, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const SCORING: Actor = { type: 'system', id: 'system:scoring', role: 'system', teams: [] };
const DAY_MS = 86_400_000;

describe('scoring a lead anew that nobody works on', () => {
  let world: CommandWorld;
  let one: CommandSide;
  let version = 1;
  const leads: Record<string, string> = {};

  const activate = async (minTotal: number) => {
    version += 1;
    const occurredAt = new Date(world.clock.nowMs()).toISOString();
    const of = (type: string, data: object) => ({
      id: randomUUID(),
      type,
      data: { occurredAt, version, ...data },
      metadata: {},
    });
    const events = [
      of('ScoringModelDrafted', { ...defaultModel, thresholds: { mql: { minTotal, minGrade: 'C' as const } } }),
      of('ScoringModelActivated', { effectiveFrom: occurredAt, rescoreExisting: true }),
    ];
    await world.log.append({ stream: 'scoringmodel-default', expectedRevision: 'any', events });
    await world.policies.catchUp();
  };
  /** A process that has no lead in memory, which streams it reads, and what may happen before its first append. */
  const fresh = (beforeAppend?: () => Promise<unknown>) => {
    const read: string[] = [];
    let interrupt = beforeAppend;
    const log = new Proxy<EventLog>(world.log, {
      get(target, property) {
        if (property === 'readStream')
          return (stream: string, options?: ReadStreamOptions) => {
            read.push(stream);
            return target.readStream(stream, options);
          };
        if (property === 'append')
          return async (append: Append) => {
            const first = interrupt;
            interrupt = undefined;
            await first?.();
            return target.append(append);
          };
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { side: world.process(log), read };
  };
  const rescore = (side: CommandSide, leadId: string, commandId: string = randomUUID()) =>
    side.send('RescoreLead', leadId, {}, { by: SCORING, commandId });
  const eventsOf = (leadId: string) => world.log.readStream(`lead-${leadId}`);

  beforeAll(async () => {
    world = await CommandWorld.open();
    one = world.process();
    const capture = async (name: string, more: object = {}) => {
      const { leadId } = await one.capture(`${name}@example.org`, { role: 'decision_maker', ...more });
      leads[name] = leadId;
      return leadId;
    };
    await capture('idle');
    const busy = await capture('busy', { role: 'user' });
    for (const kind of ['guide', 'page_view', 'unsubscribe']) await one.send('RecordBehaviour', busy, { kind });
    await one.send('UpdateLeadDetails', busy, { changes: { email: 'busy@gmail.com', jobTitle: 'Buyer' } });
    const won = await capture('accepted');
    await one.send('MarkMQL', won, { reason: 'fits' });
    await one.send('AcceptLead', won);
    await one.send('LogContactAttempt', won, { channel: 'phone', outcome: 'connected', note: 'called Ada' });
    const yes = { value: 'yes', note: 'Ada said so' };
    await one.send('AnswerQualification', won, { answers: { need: yes, budget: yes } });
    const warm = await capture('warm');
    await one.send('RecordBehaviour', warm, { kind: 'case_study' });
    const overdue = await capture('overdue');
    await one.send('MarkMQL', overdue, { reason: 'fits' });
    const gone = await capture('withdrawn');
    await one.send('WithdrawConsent', gone, { purpose: 'profiling' });
    world.clock.set(world.clock.nowMs() + 5 * DAY_MS);
    await activate(33);
  });
  afterAll(() => world.close());

  it.each(['idle', 'busy', 'withdrawn', 'warm', 'accepted', 'overdue'])(
    'writes for the lead that is %s what is decided on all that is known of it',
    async (name) => {
      const leadId = leads[name]!;
      const commandId = randomUUID();
      const { state } = await loadStream(world.process().commands.streams.runtime, `lead-${leadId}`);
      const { policies } = world;
      const expected = decide(
        state,
        { name: 'RescoreLead', leadId, body: {} },
        {
          nowMs: world.clock.nowMs(),
          commandId,
          actor: SCORING,
          policies: policies.book,
          models: policies.models,
          newId: (what) => derivedId(what, commandId),
          eventId: (ordinal) => eventId(commandId, ordinal),
        },
      );
      const before = await eventsOf(leadId);
      const answer = await rescore(fresh().side, leadId, commandId);
      const written = (await eventsOf(leadId)).slice(before.length);
      expect(written.map(({ type }) => type)).toEqual(expected.map(({ type }) => type));
      const scored = written.find(({ type }) => type === 'LeadScored');
      expect(scored?.data).toEqual(expected.find(({ type }) => type === 'LeadScored')?.data);
      expect(answer).toEqual({
        leadId,
        revision: before.length + written.length - 1,
        position: (await eventsOf(leadId)).at(-1)!.position,
        state: (await loadStream(one.commands.streams.runtime, `lead-${leadId}`)).state.state,
        events: written.map(({ id, type }) => ({ eventId: id, type })),
        replayed: false,
      });
      expect(await rescore(fresh().side, leadId, commandId)).toEqual({ ...answer, replayed: written.length > 0 });
      expect(await eventsOf(leadId)).toHaveLength(before.length + written.length);
    },
  );

  it('asks for no key where the score is all there is, and writes the same metadata as any command', async () => {
    await activate(34);
    const leadId = leads['idle']!;
    const { read, side } = fresh();
    const commandId = randomUUID();
    await rescore(side, leadId, commandId);
    expect(read).toEqual([`lead-${leadId}`]);
    expect((await eventsOf(leadId)).at(-1)).toMatchObject({
      type: 'LeadScored',
      id: eventId(commandId, 0),
      data: { cause: 'model_activated', modelVersion: version },
      metadata: {
        commandId,
        actor: { type: 'system', id: 'system:scoring' },
        policyRefs: { pipelineVersion: 1, scoringModelVersion: version },
      },
    });
    const [captured] = await eventsOf(leadId);
    const told = await side.commands.streams.open(leadId, [captured!]);
    expect(told[0]!.data).toMatchObject({ person: captureBody('idle@example.org').person });
  });

  it('gives way to somebody who is faster, and then scores what there is', async () => {
    await activate(35);
    const leadId = leads['busy']!;
    const { side } = fresh(() => one.send('LogContactAttempt', leadId, { channel: 'phone', outcome: 'voicemail' }));
    await rescore(side, leadId);
    const types = (await eventsOf(leadId)).map(({ type }) => type);
    expect(types.slice(-2)).toEqual(['ContactAttempted', 'LeadScored']);
  });

  it('refuses a lead that there is not as any command does', async () => {
    await expect(rescore(fresh().side, randomUUID())).rejects.toMatchObject({ code: 'LEAD_NOT_FOUND' });
  });
});
