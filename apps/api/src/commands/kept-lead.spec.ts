import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { loadStream } from '#libs/event-log/src/handle-command.js';
import type { CommandName } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { captureBody, type CommandSide, CommandWorld } from '../../../../test/support/command-path.js';

const HOUR_MS = 3_600_000;
const YES = { value: 'yes', note: 'asked twice' };
const QUALIFICATION = { interest: YES, need: YES, budget: YES, authority: YES, timing: YES };
const AMOUNT = { amountMinor: 100_000, currency: 'EUR' };
const COMMANDS: readonly (readonly [CommandName, object])[] = [
  ['RecordBehaviour', { kind: 'pricing_page' }],
  ['RecordBehaviour', { kind: 'demo_request', campaignId: undefined }],
  ['UpdateLeadDetails', { changes: { jobTitle: 'Buyer', companyName: 'Acme' } }],
  ['IdentifyRole', { role: 'decision_maker' }],
  ['RecordConsent', { purpose: 'phone', basis: 'consent' }],
  ['WithdrawConsent', { purpose: 'phone' }],
  ['EnrolInNurture', { trackId: 'spring' }],
  ['LogNurtureTouch', { trackId: 'spring', channel: 'email' }],
  ['MarkMQL', { reason: 'fits' }],
  ['AcceptLead', {}],
  ['LogContactAttempt', { channel: 'phone', outcome: 'connected', note: 'spoke to Ada' }],
  ['LogMeeting', { outcome: 'successful', kind: 'discovery' }],
  ['AnswerQualification', { answers: QUALIFICATION }],
  ['MarkSQL', { qualification: QUALIFICATION }],
  ['OpenOpportunity', { amount: AMOUNT, expectedCloseDate: '2027-01-01', qualification: QUALIFICATION }],
  ['PutOnHold', { reasonCode: 'legal_review' }],
  ['ResumeFromHold', {}],
  ['WinDeal', { amount: AMOUNT }],
  ['RecycleLead', { reasonCode: 'timing', nurtureTrackId: 'spring' }],
  ['ReopenLead', { reasonCode: 'x' }],
  ['SettleClocks', {}],
];

describe('the lead that a command leaves in memory', () => {
  let world: CommandWorld;
  let one: CommandSide;
  beforeEach(async () => {
    world = await CommandWorld.open();
    one = world.process();
  });
  afterEach(() => world.close());

  /** Of a stream: what this process keeps, and what one that has just started reads from the log. */
  const bothOf = async (leadId: string) => {
    const stream = `lead-${leadId}`;
    const kept = one.commands.streams.runtime.cache.get(stream);
    return { kept, read: await loadStream(world.process().commands.streams.runtime, stream) };
  };

  it('is the one that its log tells, after whatever commands', async () => {
    const step = fc.record({ command: fc.constantFrom(...COMMANDS), hours: fc.constantFrom(0, 0, 0, 1, 30) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('none', 'passive', 'active'),
        fc.array(step, { minLength: 10, maxLength: 25 }),
        async (kind, steps) => {
          const interest = kind === 'active' ? { kind, request: 'demo' } : { kind };
          const email = `${randomUUID()}@example.org`;
          const { leadId } = await one.send('CaptureLead', undefined, {
            ...captureBody(email, { interest, jobTitle: 'Head', externalIds: [{ system: 'crm', id: email }] }),
          });
          expect((await bothOf(leadId)).kept).toEqual((await bothOf(leadId)).read);
          for (const { command, hours } of steps) {
            world.clock.set(world.clock.nowMs() + hours * HOUR_MS);
            const [name, body] = command;
            await one.send(name, leadId, body).catch((error: unknown) => {
              if (!(error instanceof LeadError)) throw error;
            });
            const { kept, read } = await bothOf(leadId);
            expect(kept).toEqual(read);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('after merging and unmerging too', async () => {
    const [survivor, duplicate] = [await one.capture('a@example.org'), await one.capture('b@example.org')];
    for (const { leadId } of [survivor, duplicate]) await one.send('RecordBehaviour', leadId, { kind: 'guide' });
    await one.send('MarkMQL', survivor.leadId, { reason: 'fits' });
    const body = { duplicateLeadId: duplicate.leadId };
    await one.send('MergeLeads', survivor.leadId, body);
    for (const { leadId } of [survivor, duplicate]) {
      const { kept, read } = await bothOf(leadId);
      expect(kept).toEqual(read);
    }
    await one.send('RecordBehaviour', survivor.leadId, { kind: 'page_view' });
    const { kept, read } = await bothOf(survivor.leadId);
    expect(kept).toEqual(read);
  });
});
