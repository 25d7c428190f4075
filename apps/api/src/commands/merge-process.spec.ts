import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Append, type EventLog, EventLogError } from '#libs/event-log/src/event-log.js';
import { actor, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const DAY_MS = 86_400_000;

let world: CommandWorld;
let one: CommandSide;
let personNo = 0;
const newEmail = () => `merged${++personNo}@example.org`;
const newPhone = () => `+49301${String(++personNo).padStart(6, '0')}`;

beforeAll(async () => {
  world = await CommandWorld.open();
  one = world.process();
});
afterAll(() => world.close());

/** What a merge moves to and fro is scored on the way; the steps of the merge are told without it. */
const steps = (events: readonly { readonly type: string }[]) =>
  events.map(({ type }) => type).filter((type) => type !== 'LeadScored');
const typesOf = async (leadId: string) => steps(await world.log.readStream(`lead-${leadId}`));
const stateOf = async (leadId: string) => (await one.reader.lead(leadId))!.lead;
const withAppend = (append: (append: Append) => ReturnType<EventLog['append']>): EventLog =>
  new Proxy<EventLog>(world.log, {
    get(target, property) {
      if (property === 'append') return append;
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
/** A process that dies at the nth append that holds an event of the type: before it is written, or before it learns so. */
const dying = (type: string, moment: 'before' | 'after', nth = 1): CommandSide => {
  let left = nth;
  return world.process(
    withAppend(async (append) => {
      if (left === 0) throw new EventLogError('STORE_UNAVAILABLE', 'dead');
      if (!append.events.some((event) => event.type === type)) return world.log.append(append);
      left -= 1;
      if (left > 0) return world.log.append(append);
      if (moment === 'after') await world.log.append(append);
      throw new EventLogError('STORE_UNAVAILABLE', 'kill -9');
    }),
  );
};

interface Pair {
  readonly survivor: string;
  readonly duplicate: string;
  readonly email: string;
  readonly phone: string;
}
/** Two leads of one person; the duplicate has an address and a number of its own. */
async function pair(): Promise<Pair> {
  const [email, phone] = [newEmail(), newPhone()];
  const survivor = await one.capture(newEmail());
  const duplicate = await one.capture(email, { person: { givenName: 'Ada', email, phone } });
  await one.send('RecordBehaviour', duplicate.leadId, { kind: 'pricing_request' });
  return { survivor: survivor.leadId, duplicate: duplicate.leadId, email, phone };
}
const ops = actor('ops', 'olga', []);
const merge = ({ survivor, duplicate }: Pair, commandId = randomUUID(), by = one) =>
  by.send('MergeLeads', survivor, { duplicateLeadId: duplicate }, { commandId, by: ops });
const unmerge = ({ survivor, duplicate }: Pair, commandId = randomUUID(), by = one) =>
  by.send('UnmergeLeads', survivor, { duplicateLeadId: duplicate }, { commandId, by: ops });
const mergeIdOf = async (leadId: string): Promise<string> =>
  (await world.log.readStream(`lead-${leadId}`)).findLast(({ type }) => type === 'DuplicateAbsorbed')!.data
    .mergeId as string;
const holders = async ({ email, phone }: Pair) =>
  Promise.all([one.claims.email(email), one.claims.phone(phone)].map(async (key) => (await one.claims.holder(key))?.leadId)); // prettier-ignore

describe('a merge', () => {
  it('answers with the survivor and everything it brought about, and a query may wait for all of it', async () => {
    const two = await pair();
    await one.send('MarkMQL', two.survivor, { reason: 'fits' });
    await one.send('MarkMQL', two.duplicate, { reason: 'fits' });
    const answer = await merge(two);
    expect(answer.leadId).toBe(two.survivor);
    expect(answer.state).toBe('MQL');
    expect(steps(answer.events)).toEqual(['DuplicateAbsorbed', 'MergedInto', 'SlaClockCancelled']);
    const last = (await world.log.readStream(`lead-${two.duplicate}`)).at(-1)!;
    expect(answer.position).toBe(last.position);
    expect(last.metadata).toMatchObject({ actor: { id: 'olga', role: 'ops' }, $correlationId: expect.any(String) });
  });

  it('takes the person along: whoever writes from the duplicate’s address reaches the survivor', async () => {
    const two = await pair();
    await merge(two);
    expect(await holders(two)).toEqual([two.survivor, two.survivor]);
    expect((await one.capture(two.email)).leadId).toBe(two.survivor);
    expect((await one.capture('', { person: { phone: two.phone } })).leadId).toBe(two.survivor);
    await expect(one.send('RecordBehaviour', two.duplicate, { kind: 'guide' })).rejects.toMatchObject({
      code: 'LEAD_MERGED',
      status: 409,
      facts: { survivorLeadId: two.survivor },
    });
  });

  it('takes along an address that came after the capture, and not a number that is somebody else’s', async () => {
    const phone = newPhone();
    const owner = await one.capture('', { person: { phone } });
    const survivor = await one.capture(newEmail());
    const email = newEmail();
    const duplicate = await one.capture(newEmail(), { person: { email: newEmail(), phone } });
    await one.send('UpdateLeadDetails', duplicate.leadId, { changes: { email } });
    await merge({ survivor: survivor.leadId, duplicate: duplicate.leadId, email, phone });
    expect((await one.capture(email)).leadId).toBe(survivor.leadId);
    expect((await one.capture('', { person: { phone } })).leadId).toBe(owner.leadId);
  });

  it('is the same merge when it is sent again, and another body under its id is refused', async () => {
    const two = await pair();
    const commandId = randomUUID();
    const first = await merge(two, commandId);
    const head = await world.log.head();
    expect(await merge(two, commandId, world.process())).toEqual({ ...first, replayed: true });
    expect(await world.log.head()).toBe(head);
    await expect(
      one.send('MergeLeads', two.survivor, { duplicateLeadId: randomUUID() }, { commandId }),
    ).rejects.toMatchObject({ code: 'COMMAND_ID_REUSED' });
  });

  it('is refused without a trace: unknown or same lead, stale revision, merged already', async () => {
    const two = await pair();
    const third = await one.capture(newEmail());
    await merge(two);
    const head = await world.log.head();
    for (const [duplicateLeadId, code] of [
      [randomUUID(), 'LEAD_NOT_FOUND'],
      ['nobody', 'LEAD_NOT_FOUND'],
      [third.leadId.toUpperCase(), 'MERGE_SAME_LEAD'],
      [two.duplicate, 'LEAD_MERGED'],
    ] as const) {
      await expect(one.send('MergeLeads', third.leadId, { duplicateLeadId })).rejects.toMatchObject({ code });
    }
    const stale = one.send('MergeLeads', third.leadId, { duplicateLeadId: two.survivor }, { ifMatch: 7 });
    await expect(stale).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(one.send('MergeLeads', two.duplicate, { duplicateLeadId: third.leadId })).rejects.toMatchObject({
      code: 'LEAD_MERGED',
      facts: { survivorLeadId: two.survivor },
    });
    expect(await world.log.head()).toBe(head);
  });

  it('of one duplicate into two leads at once makes one of them the survivor and leaves no trace on the other', async () => {
    const two = await pair();
    const third = (await one.capture(newEmail())).leadId;
    const answers = await Promise.allSettled([
      merge(two),
      merge({ ...two, survivor: third }, randomUUID(), world.process()),
    ]);
    const won = answers.findIndex(({ status }) => status === 'fulfilled');
    expect(answers[1 - won]).toMatchObject({ status: 'rejected', reason: { code: 'LEAD_MERGED' } });
    const [survivor, other] = won === 0 ? [two.survivor, third] : [third, two.survivor];
    expect((await stateOf(two.duplicate)).mergedInto?.survivorLeadId).toBe(survivor);
    expect((await stateOf(other)).absorbed).toEqual([]);
  });

  it('of two leads into each other at once never loses both', async () => {
    const two = await pair();
    const back = { ...two, survivor: two.duplicate, duplicate: two.survivor };
    await Promise.allSettled([merge(two), merge(back, randomUUID(), world.process())]);
    const states = [await stateOf(two.survivor), await stateOf(two.duplicate)];
    expect(states.filter(({ state }) => state === 'MERGED').length).toBeLessThan(2);
    for (const { absorbed, state } of states) if (state === 'MERGED') expect(absorbed).toEqual([]);
  });
});

describe('a merge that stopped', () => {
  const stops: [string, 'before' | 'after', number][] = [
    ['DuplicateAbsorbed', 'before', 1],
    ['DuplicateAbsorbed', 'after', 1],
    ['MergedInto', 'before', 1],
    ['MergedInto', 'after', 1],
    ['IdentityTransferred', 'before', 1],
    ['IdentityTransferred', 'after', 1],
    ['IdentityTransferred', 'before', 2],
    ['IdentityTransferred', 'after', 2],
  ];

  it.each(stops)('at %s (%s, number %i) is finished by the same command', async (type, moment, nth) => {
    const two = await pair();
    const commandId = randomUUID();
    await expect(merge(two, commandId, dying(type, moment, nth))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const answer = await merge(two, commandId, world.process());
    expect(steps(answer.events)).toEqual(['DuplicateAbsorbed', 'MergedInto']);
    expect(await typesOf(two.survivor)).toEqual(['LeadCaptured', 'DuplicateAbsorbed']);
    expect(await typesOf(two.duplicate)).toEqual(['LeadCaptured', 'BehaviourRecorded', 'MergedInto']);
    expect(await holders(two)).toEqual([two.survivor, two.survivor]);
  });

  it.each(stops.slice(1))(
    'at %s (%s, number %i) is finished without it, as the same person’s act',
    async (type, moment, nth) => {
      const two = await pair();
      await expect(merge(two, randomUUID(), dying(type, moment, nth))).rejects.toThrow();
      const mergeId = await mergeIdOf(two.survivor);
      for (const process of [world.process(), one]) await process.commands.resumeMerge(two.survivor, mergeId);
      expect(await typesOf(two.survivor)).toEqual(['LeadCaptured', 'DuplicateAbsorbed']);
      expect(await typesOf(two.duplicate)).toEqual(['LeadCaptured', 'BehaviourRecorded', 'MergedInto']);
      const merged = (await world.log.readStream(`lead-${two.duplicate}`)).at(-1)!;
      expect(merged.metadata.actor).toEqual({ type: 'user', id: 'olga', role: 'ops' });
      expect(await holders(two)).toEqual([two.survivor, two.survivor]);
    },
  );

  it('before the identities still sends every capture to the survivor', async () => {
    const two = await pair();
    await expect(merge(two, randomUUID(), dying('IdentityTransferred', 'before'))).rejects.toThrow();
    expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
    expect((await one.capture(two.email)).leadId).toBe(two.survivor);
  });

  it('is finished by the next command that wants the same', async () => {
    const two = await pair();
    await expect(merge(two, randomUUID(), dying('MergedInto', 'before'))).rejects.toThrow();
    await expect(merge(two)).rejects.toMatchObject({ code: 'LEAD_MERGED', facts: { survivorLeadId: two.survivor } });
    expect((await stateOf(two.duplicate)).state).toBe('MERGED');
    expect((await stateOf(two.survivor)).absorbed).toHaveLength(1);
  });
});

describe('a duplicate that lives on while it is merged', () => {
  /** A process whose duplicate does something just before step 2. */
  const interrupted = (meanwhile: () => Promise<unknown>): CommandSide => {
    let done = false;
    return world.process(
      withAppend(async (append) => {
        if (!done && append.events.some(({ type }) => type === 'MergedInto')) {
          done = true;
          await meanwhile();
        }
        return world.log.append(append);
      }),
    );
  };

  it('is absorbed with what it did meanwhile', async () => {
    const two = await pair();
    const late = () => one.send('RecordBehaviour', two.duplicate, { kind: 'webinar_attended' });
    await merge(two, randomUUID(), interrupted(late));
    const { absorbed } = await stateOf(two.survivor);
    expect(absorbed).toHaveLength(1);
    expect(absorbed[0]!.behaviours.map(({ kind }) => kind)).toEqual(['pricing_request', 'webinar_attended']);
    expect(await typesOf(two.survivor)).toEqual(['LeadCaptured', 'DuplicateAbsorbed', 'DuplicateAbsorbed']);
    expect((await stateOf(two.duplicate)).state).toBe('MERGED');
  });

  it('and gets ahead of its survivor keeps its life: the merge is given up', async () => {
    const two = await pair();
    const ahead = () => one.send('MarkMQL', two.duplicate, { reason: 'fits' });
    await expect(merge(two, randomUUID(), interrupted(ahead))).rejects.toMatchObject({
      code: 'MERGE_SURVIVOR_LESS_ADVANCED',
    });
    expect((await stateOf(two.survivor)).absorbed).toEqual([]);
    expect((await stateOf(two.duplicate)).state).toBe('MQL');
    expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
  });

  it('and is given back before the merge reached it is never merged by a process that comes late', async () => {
    const two = await pair();
    await merge(
      two,
      randomUUID(),
      interrupted(() => unmerge(two)),
    );
    expect((await stateOf(two.duplicate)).state).toBe('LEAD');
    expect((await stateOf(two.survivor)).absorbed).toEqual([]);
    expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
    expect((await one.capture(two.email)).leadId).toBe(two.duplicate);
  });

  it('and is given back before its identities went never loses them to a process that comes late', async () => {
    const two = await pair();
    let done = false;
    const slow = world.process(
      withAppend(async (append) => {
        if (!done && append.events.some(({ type }) => type === 'IdentityTransferred')) {
          done = true;
          await unmerge(two);
        }
        return world.log.append(append);
      }),
    );
    await merge(two, randomUUID(), slow);
    expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
  });
});

describe('a merge taken back', () => {
  it('gives the duplicate its state, its promises and its identities back', async () => {
    const two = await pair();
    await one.send('MarkMQL', two.survivor, { reason: 'fits' });
    await one.send('MarkMQL', two.duplicate, { reason: 'fits' });
    const seen = ({ history: _, revision: __, score: ___, ...lead }: Awaited<ReturnType<typeof stateOf>>) => lead;
    const before = [seen(await stateOf(two.survivor)), seen(await stateOf(two.duplicate))];
    await merge(two);
    const answer = await unmerge(two);
    expect(steps(answer.events)).toEqual(['MergeReverted', 'MergeReverted']);
    expect([seen(await stateOf(two.survivor)), seen(await stateOf(two.duplicate))]).toEqual(before);
    expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
    expect((await one.capture(two.email)).leadId).toBe(two.duplicate);
    expect((await one.send('AcceptLead', two.duplicate)).state).toBe('SAL');
  });

  it('is the same when it is sent again, and leaves the merge’s own repetition without effect', async () => {
    const two = await pair();
    const [mergeCommand, unmergeCommand] = [randomUUID(), randomUUID()];
    const merged = await merge(two, mergeCommand);
    const reverted = await unmerge(two, unmergeCommand);
    const head = await world.log.head();
    expect(await unmerge(two, unmergeCommand, world.process())).toEqual({ ...reverted, replayed: true });
    expect((await merge(two, mergeCommand, world.process())).events).toEqual(merged.events);
    expect(await world.log.head()).toBe(head);
    expect((await stateOf(two.duplicate)).state).toBe('LEAD');
  });

  it.each([
    ['MergeReverted', 'after', 1],
    ['MergeReverted', 'before', 2],
    ['MergeReverted', 'after', 2],
    ['IdentityTransferred', 'before', 1],
    ['IdentityTransferred', 'after', 1],
    ['IdentityTransferred', 'before', 2],
  ] as const)(
    'that stopped at %s (%s, number %i) is finished, by the command or without it',
    async (type, moment, nth) => {
      for (const way of ['command', 'resume'] as const) {
        const two = await pair();
        await merge(two);
        const commandId = randomUUID();
        await expect(unmerge(two, commandId, dying(type, moment, nth))).rejects.toThrow();
        if (way === 'command') await unmerge(two, commandId, world.process());
        else await world.process().commands.resumeMerge(two.survivor, await mergeIdOf(two.survivor));
        expect((await stateOf(two.survivor)).absorbed).toEqual([]);
        expect(await typesOf(two.duplicate)).toEqual([
          'LeadCaptured',
          'BehaviourRecorded',
          'MergedInto',
          'MergeReverted',
        ]);
        expect(await holders(two)).toEqual([two.duplicate, two.duplicate]);
      }
    },
  );

  it('is refused after 30 days and where nothing was merged', async () => {
    const two = await pair();
    await expect(unmerge(two)).rejects.toMatchObject({ code: 'NOT_MERGED', status: 422 });
    await merge(two);
    world.clock.set(world.clock.nowMs() + 31 * DAY_MS);
    await expect(unmerge(two)).rejects.toMatchObject({ code: 'UNMERGE_TOO_LATE', status: 422 });
  });

  it('of a chain goes from its end: each survivor gives back what it took', async () => {
    const two = await pair();
    const top = (await one.capture(newEmail())).leadId;
    await merge(two);
    const second = { ...two, survivor: top, duplicate: two.survivor };
    await merge(second);
    expect((await one.capture(two.email)).leadId).toBe(top);
    await expect(unmerge(two)).rejects.toMatchObject({ code: 'LEAD_MERGED', facts: { survivorLeadId: top } });
    await unmerge(second);
    expect((await one.capture(two.email)).leadId).toBe(two.survivor);
    await unmerge(two);
    expect((await one.capture(two.email)).leadId).toBe(two.duplicate);
  });
});

describe('a capture of a lead merged since', () => {
  it('answers its repetition as before and claims nothing for it', async () => {
    const commandId = randomUUID();
    const [email, phone] = [newEmail(), newPhone()];
    const survivor = await one.capture(newEmail());
    const first = await one.capture(email, { person: { email, phone } }, { commandId });
    await merge({ survivor: survivor.leadId, duplicate: first.leadId, email, phone });
    const head = await world.log.head();
    const again = await world.process().capture(email, { person: { email, phone } }, { commandId });
    expect(again).toMatchObject({ leadId: first.leadId, events: first.events, replayed: true });
    expect(await world.log.head()).toBe(head);
  });
});

describe('a suspicion dismissed', () => {
  it('is dismissed on both leads, once', async () => {
    const phone = newPhone();
    const first = await one.capture('', { person: { phone } });
    const email = newEmail();
    const second = await one.capture(email, { person: { email, phone } });
    expect(await typesOf(second.leadId)).toEqual(['LeadCaptured', 'DuplicateSuspected']);
    const commandId = randomUUID();
    const dismiss = (by: CommandSide) =>
      by.send('DismissDuplicate', first.leadId, { candidateLeadId: second.leadId }, { commandId, by: ops });
    const answer = await dismiss(one);
    expect(steps(answer.events)).toEqual(['DuplicateDismissed', 'DuplicateDismissed']);
    expect(await dismiss(world.process())).toEqual({ ...answer, replayed: true });
    for (const [leadId, other] of [
      [first.leadId, second.leadId],
      [second.leadId, first.leadId],
    ] as const)
      expect((await stateOf(leadId)).duplicates.get(other)).toBe('dismissed');
    await expect(one.send('DismissDuplicate', first.leadId, { candidateLeadId: randomUUID() })).rejects.toMatchObject({
      code: 'LEAD_NOT_FOUND',
    });
  });
});
