import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Append, type EventLog, EventLogError } from '#libs/event-log/src/event-log.js';
import { actor, captureBody, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let world: CommandWorld;
let one: CommandSide;
let personNo = 0;
const newEmail = () => `person${++personNo}@example.org`;

beforeAll(async () => {
  world = await CommandWorld.open();
  one = world.process();
});
afterAll(() => world.close());

const eventsOf = async (leadId: string) => world.log.readStream(`lead-${leadId}`);
const typesOf = async (leadId: string) => (await eventsOf(leadId)).map(({ type }) => type);
/** The log with one method replaced; the rest is the real one. */
const withAppend = (append: (append: Append) => ReturnType<EventLog['append']>): EventLog =>
  new Proxy<EventLog>(world.log, {
    get(target, property) {
      if (property === 'append') return append;
      if (property === 'appendBehind')
        return async (ahead: readonly Append[], last: Append) => ({
          ahead: await target.appendMany(ahead),
          last: await append(last).catch((error: unknown) => error),
        });
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

describe('a command', () => {
  it('answers lead, revision, position, state and the events it wrote', async () => {
    const answer = await one.capture(newEmail());
    expect(answer).toMatchObject({ revision: 0, state: 'LEAD', replayed: false });
    expect(answer.position).toBe(await world.log.head());
    expect(answer.events).toEqual([{ type: 'LeadCaptured', eventId: (await eventsOf(answer.leadId))[0]!.id }]);
  });

  it('carries the whole envelope of spec §2.3', async () => {
    const commandId = randomUUID();
    const by = actor('ops', 'olga');
    const { leadId } = await one.capture(newEmail(), { onBehalfOf: 'max' }, { by, commandId });
    const [event] = await eventsOf(leadId);
    expect(event!.metadata).toEqual({
      schemaVersion: 1,
      commandId,
      commandHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      $correlationId: commandId,
      $causationId: commandId,
      actor: { type: 'user', id: 'olga', role: 'ops', onBehalfOf: 'max' },
      source: { system: 'test' },
      tenantId: 'ledger',
      policyRefs: { pipelineVersion: 1 },
      piiKeyId: expect.any(String),
      recordedAt: '2026-03-02T09:00:00.000Z',
    });
  });

  it('names the agreement, calendar and scoring model version that it was decided under', async () => {
    const { leadId } = await one.capture(newEmail());
    await one.send('MarkMQL', leadId, { reason: 'agreed criteria' });
    const refs = (await eventsOf(leadId)).at(-1)!.metadata.policyRefs;
    expect(refs).toEqual({ pipelineVersion: 1, agreementVersion: 1, calendarVersion: 1, scoringModelVersion: 1 });
  });

  it('leaves no personal value in the stored bytes of any stream', async () => {
    const secrets = {
      email: 'zoe.secret@private.example',
      phone: '+4930999111',
      name: 'Zoe-Secret',
      note: 'secret-note',
    };
    const { leadId } = await one.capture(secrets.email, {
      person: { givenName: secrets.name, email: secrets.email, phone: secrets.phone, postalAddress: secrets.note },
      jobTitle: secrets.name,
      interest: { kind: 'active', request: 'demo', message: secrets.note },
      location: { country: 'DE', city: secrets.name },
    });
    await one.send('RecordBehaviour', leadId, {
      kind: 'page_view',
      url: `https://x/${secrets.note}`,
      sessionId: secrets.note,
    });
    await one.send('UpdateLeadDetails', leadId, { changes: { familyName: secrets.name, phone: '+4930999112' } });
    await one.send('LogContactAttempt', leadId, { channel: 'phone', outcome: 'connected', note: secrets.note });
    await one.capture(secrets.email, { person: { email: secrets.email, postalAddress: secrets.note } });
    const { events } = await world.log.readAll({ limit: 100_000 });
    const bytes = JSON.stringify(events);
    for (const secret of [...Object.values(secrets), '+4930999112', 'private.example'])
      expect(bytes).not.toContain(secret);
    const { lead } = (await one.reader.lead(leadId))!;
    expect(lead.details).toMatchObject({ givenName: secrets.name, phone: '+4930999112', email: secrets.email });
  });

  it('is refused in the order of spec §4.4: schema, role, lead', async () => {
    const unknown = randomUUID();
    const analyst = { by: actor('analyst') };
    await expect(one.send('MarkMQL', unknown, { odd: 1 }, analyst)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
    await expect(one.send('MarkMQL', unknown, {}, analyst)).rejects.toMatchObject({ code: 'FORBIDDEN_ROLE' });
    await expect(one.send('MarkMQL', unknown, {})).rejects.toMatchObject({ code: 'LEAD_NOT_FOUND', status: 404 });
    await expect(one.send('MarkMQL', 'no-uuid', {})).rejects.toMatchObject({ code: 'LEAD_NOT_FOUND' });
  });

  it('appends nothing when it is refused', async () => {
    const { leadId } = await one.capture(newEmail());
    const head = await world.log.head();
    const refusals: [Promise<unknown>, string][] = [
      [one.send('AcceptLead', leadId), 'INVALID_TRANSITION'],
      [one.send('RecordBehaviour', leadId, { kind: 'flight' }), 'UNKNOWN_BEHAVIOUR'],
      [one.send('SettleClocks', leadId, {}, { by: actor('ops') }), 'FORBIDDEN_ROLE'],
      [
        one.send('RecordBehaviour', leadId, { kind: 'page_view', occurredAt: '2027-01-01T00:00:00Z' }),
        'OCCURRED_IN_FUTURE',
      ],
      [one.send('RecordBehaviour', leadId, { kind: 'page_view' }, { ifMatch: 7 }), 'CONFLICT'],
      [one.capture('not an address'), 'EMAIL_INVALID'],
      [one.capture(newEmail(), { consents: [] }), 'LEGAL_BASIS_REQUIRED'],
      [one.send('UpdateLeadDetails', leadId, { changes: { email: 'nonsense' } }), 'EMAIL_INVALID'],
      [one.send('UpdateLeadDetails', leadId, { changes: { email: newEmail(), leadId: 'x' } }), 'FIELD_IMMUTABLE'],
    ];
    for (const [refused, code] of refusals) await expect(refused).rejects.toMatchObject({ code });
    expect(await world.log.head()).toBe(head);
  });

  it('is the same command when it is sent again, also to another process', async () => {
    const { leadId } = await one.capture(newEmail());
    const commandId = randomUUID();
    const first = await one.send('RecordBehaviour', leadId, { kind: 'page_view' }, { commandId });
    await one.send('RecordBehaviour', leadId, { kind: 'guide' });
    const head = await world.log.head();
    for (const process of [one, world.process()])
      expect(
        await process.send('RecordBehaviour', leadId, { kind: 'page_view' }, { commandId: commandId.toUpperCase() }),
      ).toEqual({ ...first, replayed: true });
    expect(await world.log.head()).toBe(head);
    await expect(one.send('RecordBehaviour', leadId, { kind: 'guide' }, { commandId })).rejects.toMatchObject({
      code: 'COMMAND_ID_REUSED',
      status: 409,
    });
  });

  it('may carry the same body with its fields in another order when it is repeated', async () => {
    const { leadId } = await one.capture(newEmail());
    const commandId = randomUUID();
    await one.send('RecordBehaviour', leadId, { kind: 'page_view', count: 2 }, { commandId });
    const again = await one.send('RecordBehaviour', leadId, { count: 2, kind: 'page_view' }, { commandId });
    expect(again.replayed).toBe(true);
  });

  it('answers CONFLICT to a stale If-Match, with the revision there is', async () => {
    const { leadId, revision } = await one.capture(newEmail());
    await one.send('RecordBehaviour', leadId, { kind: 'page_view' });
    await expect(one.send('MarkMQL', leadId, { reason: 'r' }, { ifMatch: revision })).rejects.toMatchObject({
      code: 'CONFLICT',
      facts: { leadId, currentRevision: 1 },
    });
    expect((await one.send('MarkMQL', leadId, { reason: 'r' }, { ifMatch: 1 })).state).toBe('MQL');
  });

  it('says that there is no such lead, whatever If-Match expects of it', async () => {
    const sent = one.send('MarkMQL', randomUUID(), { reason: 'r' }, { ifMatch: 3 });
    await expect(sent).rejects.toMatchObject({ code: 'LEAD_NOT_FOUND', status: 404 });
  });

  it('of a fact is decided anew when another process was faster, of a person it is a CONFLICT', async () => {
    const { leadId } = await one.capture(newEmail());
    const racing = () => {
      let raced = false;
      return world.process(
        withAppend(async (append) => {
          if (!raced && append.stream === `lead-${leadId}`) {
            raced = true;
            await one.send('RecordBehaviour', leadId, { kind: 'guide' });
          }
          return world.log.append(append);
        }),
      );
    };
    const fact = await racing().send('RecordBehaviour', leadId, { kind: 'page_view' });
    expect(fact.revision).toBe(2);
    await expect(racing().send('MarkMQL', leadId, { reason: 'r' })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await one.send('MarkMQL', leadId, { reason: 'r' })).state).toBe('MQL');
  });

  it('settles what is overdue although it is refused, and may be repeated under its id', async () => {
    const { leadId } = await one.capture(newEmail());
    await one.send('MarkMQL', leadId, { reason: 'agreed criteria' });
    const startMs = world.clock.nowMs();
    world.clock.set(startMs + 24 * HOUR_MS);
    const commandId = randomUUID();
    await expect(one.send('OpenOpportunity', leadId, { amount: { amountMinor: 1, currency: 'EUR' }, expectedCloseDate: '2026-12-01' }, { commandId })).rejects.toMatchObject({ code: 'INVALID_TRANSITION' }); // prettier-ignore
    const events = await eventsOf(leadId);
    expect(events.at(-1)).toMatchObject({
      type: 'SlaBreached',
      data: { detectedBy: 'settle_on_write' },
      metadata: { actor: { id: 'system:settle-on-write' }, $causationId: commandId },
    });
    await expect(one.send('OpenOpportunity', leadId, { amount: { amountMinor: 1, currency: 'EUR' }, expectedCloseDate: '2026-12-01' }, { commandId })).rejects.toMatchObject({ code: 'INVALID_TRANSITION' }); // prettier-ignore
    expect((await eventsOf(leadId)).length).toBe(events.length);
  });

  it('settles more when it is refused again later, and every settlement has an id of its own', async () => {
    const { leadId } = await one.capture(newEmail());
    await one.send('MarkMQL', leadId, { reason: 'agreed criteria' });
    const commandId = randomUUID();
    const refused = async () => expect(one.send('WinDeal', leadId, {}, { commandId })).rejects.toThrow();
    for (const hours of [5, 24, 48]) {
      world.clock.set(world.clock.nowMs() + hours * HOUR_MS);
      await refused();
    }
    const events = await eventsOf(leadId);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(events.map(({ type }) => type).filter((type) => type.startsWith('Sla'))).toEqual([
      'SlaClockStarted',
      'SlaWarningRaised',
      'SlaBreached',
      'SlaEscalated',
    ]);
  });

  it('answers STORE_UNAVAILABLE while the log is away and is done once when sent again', async () => {
    const { leadId } = await one.capture(newEmail());
    let away = true;
    const shaky = world.process(
      withAppend(async (append) => {
        if (away) throw new EventLogError('STORE_UNAVAILABLE', 'gone');
        return world.log.append(append);
      }),
    );
    const commandId = randomUUID();
    const attempt = () => shaky.send('RecordBehaviour', leadId, { kind: 'page_view' }, { commandId });
    await expect(attempt()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    away = false;
    expect(await attempt()).toMatchObject({ revision: 1, replayed: false });
  });
});

describe('a capture', () => {
  it('takes the id the client chose, in lower case', async () => {
    const leadId = randomUUID();
    expect((await one.capture(newEmail(), { leadId: leadId.toUpperCase() })).leadId).toBe(leadId);
  });

  it('is refused when the chosen id is another lead already', async () => {
    const { leadId } = await one.capture(newEmail());
    const head = await world.log.head();
    await expect(one.capture(newEmail(), { leadId })).rejects.toMatchObject({
      code: 'DUPLICATE_LEAD',
      status: 409,
      facts: { existingLeadId: leadId },
    });
    expect(await world.log.head()).toBe(head);
  });

  it('under a used command id with another body is refused', async () => {
    const commandId = randomUUID();
    await one.capture(newEmail(), {}, { commandId });
    await expect(one.capture(newEmail(), {}, { commandId })).rejects.toMatchObject({ code: 'COMMAND_ID_REUSED' });
  });

  it('of a known person is a new touch of the same lead', async () => {
    const email = newEmail();
    const { leadId } = await one.capture(email, { interest: { kind: 'none' } });
    const again = await one.capture(` ${email.toUpperCase()} `, { interest: { kind: 'passive' } });
    expect(again).toMatchObject({ leadId, state: 'LEAD' });
    expect(await typesOf(leadId)).toEqual(['LeadCaptured', 'CaptureRepeated', 'PromotedToLead']);
  });

  it('of a known person is refused when the client asks for that, and leaves nothing behind', async () => {
    const email = newEmail();
    const { leadId } = await one.capture(email);
    const head = await world.log.head();
    await expect(one.capture(email, { onDuplicate: 'reject' })).rejects.toMatchObject({
      code: 'DUPLICATE_LEAD',
      facts: { existingLeadId: leadId },
    });
    expect(await world.log.head()).toBe(head);
  });

  it('attached to a known person answers the same when it is repeated', async () => {
    const email = newEmail();
    await one.capture(email);
    const commandId = randomUUID();
    const first = await one.capture(email, {}, { commandId });
    const head = await world.log.head();
    expect(await world.process().capture(email, {}, { commandId })).toEqual({ ...first, replayed: true });
    expect(await world.log.head()).toBe(head);
  });

  it.each([
    ['in one process', () => [one, one, one, one]],
    ['in four processes', () => [one, world.process(), world.process(), world.process()]],
  ])('of one person four times at once %s makes one lead and three touches', async (_where, processes) => {
    const email = newEmail();
    const answers = await Promise.all(processes().map((process) => process.capture(email)));
    const leads = new Set(answers.map(({ leadId }) => leadId));
    expect(leads.size).toBe(1);
    expect((await typesOf([...leads][0]!)).sort()).toEqual([
      'CaptureRepeated',
      'CaptureRepeated',
      'CaptureRepeated',
      'LeadCaptured',
    ]);
  });

  it('under one command id in two processes at once is one capture', async () => {
    const commandId = randomUUID();
    const body = captureBody(newEmail());
    const answers = await Promise.all(
      [one, world.process()].map((process) => process.send('CaptureLead', undefined, body, { commandId })),
    );
    expect(answers[0]!.leadId).toBe(answers[1]!.leadId);
    expect(await typesOf(answers[0]!.leadId)).toEqual(['LeadCaptured']);
  });

  it('of two people under one chosen id makes one of them the lead and leaves the other free', async () => {
    const leadId = randomUUID();
    const emails = [newEmail(), newEmail()];
    const answers = await Promise.allSettled(
      emails.map((email, n) => [one, world.process()][n]!.capture(email, { leadId })),
    );
    const won = answers.findIndex(({ status }) => status === 'fulfilled');
    expect(answers[1 - won]).toMatchObject({ status: 'rejected', reason: { code: 'DUPLICATE_LEAD' } });
    expect(await typesOf(leadId)).toEqual(['LeadCaptured']);
    const other = await one.capture(emails[1 - won]!);
    expect(await typesOf(other.leadId)).toEqual(['LeadCaptured']);
  });

  it('makes two leads suspects of being one when they share a phone number', async () => {
    const phone = '+493055501';
    const first = await one.capture(newEmail(), { person: { email: newEmail(), phone } });
    const commandId = randomUUID();
    const email = newEmail();
    const second = await one.capture(email, { person: { email, phone } }, { commandId });
    expect(second.leadId).not.toBe(first.leadId);
    expect(await typesOf(second.leadId)).toEqual(['LeadCaptured', 'DuplicateSuspected']);
    expect((await eventsOf(second.leadId))[1]!.data).toMatchObject({
      candidateLeadId: first.leadId,
      basis: ['same_phone'],
    });
    expect(second.revision).toBe(1);
    expect(await one.capture(email, { person: { email, phone } }, { commandId })).toMatchObject({
      revision: 1,
      replayed: true,
    });
    expect(await typesOf(second.leadId)).toHaveLength(2);
  });

  it('finds a person by external id alone', async () => {
    const external = { person: { postalAddress: 'x' }, externalIds: [{ system: 'crm', id: '4711' }] };
    const first = await one.capture('', external);
    expect((await one.capture('', external)).leadId).toBe(first.leadId);
  });

  describe('that crashed between claim and capture', () => {
    /** A process that dies before its lead's stream is written. */
    const crashing = () =>
      world.process(
        withAppend(async (append) => {
          if (append.stream.startsWith('lead-')) throw new EventLogError('STORE_UNAVAILABLE', 'kill -9');
          return world.log.append(append);
        }),
      );

    it('is finished by the same command sent again', async () => {
      const email = newEmail();
      const commandId = randomUUID();
      await expect(crashing().capture(email, {}, { commandId })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      const { leadId } = await one.capture(email, {}, { commandId });
      expect(await typesOf(leadId)).toEqual(['LeadCaptured']);
      expect((await one.capture(email)).leadId).toBe(leadId);
    });

    it('holds the person for a minute and not longer', async () => {
      const email = newEmail();
      const abandoned = randomUUID();
      await expect(crashing().capture(email, { leadId: abandoned })).rejects.toThrow();
      await expect(one.capture(email)).rejects.toMatchObject({ code: 'CONFLICT', facts: { retryable: true } });
      world.clock.set(world.clock.nowMs() + MINUTE_MS + 1);
      const { leadId } = await one.capture(email);
      expect(leadId).not.toBe(abandoned);
      const identity = await world.log.readStream(`identity-${one.claims.email(email).keyHash}`);
      expect(identity.map(({ data, type }) => [type, data.leadId])).toEqual([
        ['IdentityClaimed', abandoned],
        ['IdentityReclaimed', leadId],
      ]);
      expect((await one.capture(email)).leadId).toBe(leadId);
    });

    it('and comes back after its person was taken over is a touch of the other lead', async () => {
      const email = newEmail();
      const commandId = randomUUID();
      await expect(crashing().capture(email, {}, { commandId })).rejects.toThrow();
      world.clock.set(world.clock.nowMs() + MINUTE_MS + 1);
      const taker = await one.capture(email);
      const back = await world.process().capture(email, {}, { commandId });
      expect(back.leadId).toBe(taker.leadId);
      expect(await typesOf(taker.leadId)).toEqual(['LeadCaptured', 'CaptureRepeated']);
    });
  });
});

describe('a changed e-mail address', () => {
  it('finds the lead from then on, and the old one is free', async () => {
    const [before, after] = [newEmail(), newEmail()];
    const { leadId } = await one.capture(before);
    await one.send('UpdateLeadDetails', leadId, { changes: { email: after } });
    expect((await one.capture(after)).leadId).toBe(leadId);
    expect((await one.capture(before)).leadId).not.toBe(leadId);
  });

  it('is refused when it is another lead’s, and nothing moves', async () => {
    const [mine, theirs] = [newEmail(), newEmail()];
    const { leadId } = await one.capture(mine);
    const other = await one.capture(theirs);
    const head = await world.log.head();
    await expect(one.send('UpdateLeadDetails', leadId, { changes: { email: theirs } })).rejects.toMatchObject({
      code: 'DUPLICATE_LEAD',
      facts: { existingLeadId: other.leadId },
    });
    expect(await world.log.head()).toBe(head);
    expect((await one.capture(mine)).leadId).toBe(leadId);
  });

  it('that is none is refused by the name of its field', async () => {
    const { leadId } = await one.capture(newEmail());
    await expect(one.send('UpdateLeadDetails', leadId, { changes: { phone: '030' } })).rejects.toMatchObject({
      code: 'PHONE_INVALID',
      facts: { fields: [{ field: 'changes.phone' }] },
    });
  });

  it('in another spelling stays the lead’s own', async () => {
    const email = newEmail();
    const { leadId } = await one.capture(email);
    await one.send('UpdateLeadDetails', leadId, { changes: { email: email.toUpperCase() } });
    expect((await one.capture(email)).leadId).toBe(leadId);
  });

  it('is done once when the command is repeated', async () => {
    const { leadId } = await one.capture(newEmail());
    const commandId = randomUUID();
    const changes = { changes: { email: newEmail() } };
    await one.send('UpdateLeadDetails', leadId, changes, { commandId });
    const head = await world.log.head();
    expect((await world.process().send('UpdateLeadDetails', leadId, changes, { commandId })).replayed).toBe(true);
    expect(await world.log.head()).toBe(head);
  });
});
