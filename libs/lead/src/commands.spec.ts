import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  commandActions,
  isCommandName,
  leadCommandSchemas,
  parseLeadCommand,
  requireRole,
  type Actor,
  type CommandName,
} from './commands.js';
import { LeadError } from './errors.js';

const names = Object.keys(leadCommandSchemas) as CommandName[];
const refusal = (act: () => unknown): LeadError => {
  try {
    act();
  } catch (error) {
    if (error instanceof LeadError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};
const actor = (role: Actor['role']): Actor => ({ type: 'user', id: 'u', role, teams: [] });

describe('command bodies', () => {
  it('need next to nothing for everyday work', () => {
    expect(parseLeadCommand('AcceptLead', 'l', {}).body).toEqual({});
    expect(parseLeadCommand('LogContactAttempt', 'l', { channel: 'phone', outcome: 'voicemail' }).body).toEqual({
      channel: 'phone',
      outcome: 'voicemail',
      oneToOne: true,
      automated: false,
      intent: 'follow_up',
    });
  });

  it('bring every time to UTC with milliseconds', () => {
    const { body } = parseLeadCommand('AcceptLead', 'l', { occurredAt: '2026-03-02T10:00:00+02:00' });
    expect(body.occurredAt).toBe('2026-03-02T08:00:00.000Z');
  });

  it('take an answer in short or in full', () => {
    const { body } = parseLeadCommand('AnswerQualification', 'l', {
      answers: { interest: 'yes', need: { value: 'no', note: 'n' } },
    });
    expect(body).toEqual({ answers: { interest: { value: 'yes' }, need: { value: 'no', note: 'n' } } });
  });

  it.each<[CommandName, object, object]>([
    [
      'VoidTransition',
      { eventId: 'e', reason: 'r', approver: 'ann' },
      { eventId: 'e', reason: 'r', approvedBy: 'ann' },
    ],
    [
      'CorrectOccurredAt',
      { eventId: 'e', occurredAt: '2026-03-02T10:00:00+02:00', reason: 'r', approver: 'ann' },
      { eventId: 'e', new: '2026-03-02T08:00:00.000Z', reason: 'r', approvedBy: 'ann' },
    ],
    ['ChangeCloseDate', { new: '2026-05-01', reason: 'r' }, { expectedCloseDate: '2026-05-01', reason: 'r' }],
    ['ChangeDealStage', { leadId: 'L', dealStage: 'demo' }, { to: 'demo' }],
    ['MarkMQL', { basis: 'marketing', mode: 'manual', reason: 'r' }, { reason: 'r', summary: '' }],
    [
      'UpdateLeadDetails',
      { changes: [{ field: 'phone', old: null, new: '+4930123' }] },
      { changes: { phone: '+4930123' }, kind: 'manual', verified: false },
    ],
    ['WinDeal', { fxRateToReporting: 1.085 }, { fxRateToReporting: '1.085' }],
  ])('of %s may use the names of the spec: %j', (name, body, expected) => {
    expect(parseLeadCommand(name, 'l', body).body).toEqual(expected);
  });

  it.each<[CommandName, unknown, string]>([
    ['MarkMQL', { basis: 'product' }, 'basis'],
    ['AcceptLead', { leadId: 'another' }, 'leadId'],
    ['UpdateLeadDetails', { changes: [] }, 'changes'],
    ['VoidTransition', { eventId: 'e', reason: 'r', approver: 'ann', approvedBy: 'bob' }, 'approver'],
    ['AcceptLead', { surprise: 1 }, 'surprise'],
    ['CaptureLead', { person: { email: 'a@b.c', shoeSize: 43 } }, 'person.shoeSize'],
    ['CaptureLead', { person: { givenName: '\ud800' } }, 'person.givenName'],
    ['CaptureLead', { source: { utm: { x: 'a\udc00' } } }, 'source.utm.x'],
    ['CaptureLead', { leadId: 'not a uuid' }, 'leadId'],
    [
      'OpenOpportunity',
      { amount: { amountMinor: 1.5, currency: 'EUR' }, expectedCloseDate: '2026-01-01' },
      'amount.amountMinor',
    ],
    [
      'OpenOpportunity',
      { amount: { amountMinor: 1, currency: 'EUR' }, expectedCloseDate: '2026-02-30' },
      'expectedCloseDate',
    ],
    ['RecordBehaviour', { kind: 'page_view', count: 0 }, 'count'],
    ['RecordBehaviour', { kind: 'page_view', count: 1001 }, 'count'],
    ['LogContactAttempt', { channel: 'pigeon', outcome: 'sent' }, 'channel'],
    ['AcceptLead', { occurredAt: 'yesterday' }, 'occurredAt'],
    ['AcceptLead', { expectedRevision: -1 }, 'expectedRevision'],
    ['MarkMQL', { reason: 'x'.repeat(2001) }, 'reason'],
    ['UpdateLeadDetails', { changes: {} }, 'changes'],
    ['MarkMQL', [], ''],
    ['MarkMQL', null, ''],
  ])('%s refuses %j and names the field', (name, body, field) => {
    const error = refusal(() => parseLeadCommand(name, 'l', body));
    expect(error.code).toBe('VALIDATION_FAILED');
    expect(error.status).toBe(400);
    expect(error.facts.fields?.map((f) => f.field)).toContain(field);
  });

  it.each(names)('%s has a JSON Schema for the OpenAPI document', (name) => {
    expect(z.toJSONSchema(leadCommandSchemas[name], { io: 'input' })).toMatchObject({ additionalProperties: false });
  });
});

describe('who may give a command', () => {
  it('is marketing for marking, sales for accepting, and admin and the system for everything', () => {
    expect(() => requireRole('MarkMQL', actor('marketing'))).not.toThrow();
    expect(() => requireRole('AcceptLead', actor('sales'))).not.toThrow();
    for (const name of names) {
      expect(() => requireRole(name, actor('admin'))).not.toThrow();
      expect(() => requireRole(name, actor('system'))).not.toThrow();
    }
  });

  it('is neither marketing for deals nor sales for MQL, and an analyst gives none', () => {
    expect(refusal(() => requireRole('WinDeal', actor('marketing')))).toMatchObject({
      code: 'FORBIDDEN_ROLE',
      status: 403,
      facts: { required: ['sales', 'sales_manager'] },
    });
    expect(refusal(() => requireRole('MarkMQL', actor('sales'))).code).toBe('FORBIDDEN_ROLE');
    for (const name of names) expect(refusal(() => requireRole(name, actor('analyst'))).code).toBe('FORBIDDEN_ROLE');
  });
});

it('gives every command of the contract one URL action of its own', () => {
  const actions = names.flatMap((name) => commandActions[name].action ?? []);
  expect(new Set(actions).size).toBe(actions.length);
  expect(actions.length).toBe(names.length - 6);
  expect(isCommandName('constructor')).toBe(false);
});
