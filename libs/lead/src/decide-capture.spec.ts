import { describe, expect, it } from '@jest/globals';
import { given, person, Scenario } from './given-when-then.js';

const EMAIL = { email: 'ann@example.com' };
const SOURCE = { channel: 'search' };
const CONSENTS = [{ purpose: 'phone', basis: 'consent' }];
const whole = { person: EMAIL, source: SOURCE, consents: CONSENTS };

describe('capture (T1)', () => {
  it('makes a lead of interest, with everything that a transition records', () => {
    const lead = new Scenario().do('CaptureLead', { ...whole, ownerId: 'mia', teamId: 'marketing' });
    expect(lead.lead).toMatchObject({ state: 'LEAD', cycleNo: 1, ownerId: 'mia', teamId: 'marketing' });
    expect(lead.data('LeadCaptured')).toMatchObject({
      fromState: null,
      toState: 'LEAD',
      cycleNo: 1,
      stageVisitNo: 1,
      ownerId: 'mia',
      teamId: 'marketing',
      leadType: 'new_business',
      role: 'unknown',
    });
  });

  it('makes a subscriber of somebody who asked for content only', () => {
    expect(new Scenario().do('CaptureLead', { ...whole, interest: { kind: 'none' } }).lead.state).toBe('SUBSCRIBER');
  });

  it('records an active request as the hand-raise it is', () => {
    const lead = new Scenario().do('CaptureLead', { ...whole, interest: { kind: 'active', request: 'demo' } });
    expect(lead.types()).toEqual(['LeadCaptured', 'BehaviourRecorded', 'LeadScored']);
    expect(lead.data('BehaviourRecorded').kind).toBe('demo_request');
  });

  it.each([
    ['CONTACT_POINT_REQUIRED', { ...whole, person: { givenName: 'Ann' } }],
    ['SOURCE_REQUIRED', { ...whole, source: undefined }],
    ['SOURCE_REQUIRED', { ...whole, source: { code: 'x' } }],
    ['LEGAL_BASIS_REQUIRED', { ...whole, consents: [] }],
    ['EMAIL_INVALID', { ...whole, person: { email: 'ann@nowhere' } }],
    ['EMAIL_INVALID', { ...whole, person: { email: 'a..b@example.com' } }],
    ['EMAIL_INVALID', { ...whole, person: { email: `${'a'.repeat(65)}@example.com` } }],
    ['PHONE_INVALID', { ...whole, person: { phone: '0151 123' } }],
    ['COUNTRY_INVALID', { ...whole, location: { country: 'XX' } }],
    ['COUNTRY_INVALID', { ...whole, location: { country: 'Germany' } }],
    ['CONSENT_INVALID', { ...whole, consents: [{ purpose: 'everything', basis: 'consent' }] }],
  ])('answers %s', (code, body) => {
    expect(new Scenario().refused('CaptureLead', body).code).toBe(code);
  });

  it.each(['ann@example.com', "o'neil+tag@sub.example.co.uk", 'björn@exämple.se', 'a@b.co'])('takes %s', (email) => {
    expect(new Scenario().do('CaptureLead', { ...whole, person: { email } }).lead.state).toBe('LEAD');
  });

  it('is for marketing, SDRs, ops and integrations', () => {
    expect(new Scenario().refused('CaptureLead', whole, person('sales')).code).toBe('FORBIDDEN_ROLE');
    expect(new Scenario().do('CaptureLead', whole, person('integration')).lead.state).toBe('LEAD');
  });
});

describe('the same person again', () => {
  it('is a new touch that brings what was not known, never a second lead', () => {
    const lead = given('LEAD').do('CaptureLead', {
      ...whole,
      person: { email: 'other@example.com', givenName: 'Ann' },
    });
    expect(lead.types()).toEqual(['CaptureRepeated', 'ConsentGranted']);
    expect(lead.data('CaptureRepeated').newFields).toEqual({ givenName: 'Ann' });
    expect(lead.lead.details).toMatchObject({ email: 'ann@example.com', givenName: 'Ann' });
  });

  it('promotes a subscriber that shows interest and counts as a hand-raise (T2)', () => {
    const lead = given('SUBSCRIBER').do('CaptureLead', { ...whole, interest: { kind: 'active', request: 'pricing' } });
    expect(lead.types()).toEqual([
      'CaptureRepeated',
      'ConsentGranted',
      'BehaviourRecorded',
      'PromotedToLead',
      'LeadScored',
    ]);
    expect(lead.data('PromotedToLead')).toMatchObject({
      fromState: 'SUBSCRIBER',
      toState: 'LEAD',
      stageVisitNo: 2,
      evidenceEventId: lead.idOf('CaptureRepeated'),
    });
    expect(lead.lead.handRaises).toHaveLength(1);
  });

  it('is refused when the sender asks for that', () => {
    const error = given('LEAD').refused('CaptureLead', { ...whole, onDuplicate: 'reject' });
    expect(error).toMatchObject({ code: 'DUPLICATE_LEAD', status: 409, facts: { existingLeadId: 'lead' } });
  });
});

describe('details', () => {
  it('keep old and new value, and only of what changes', () => {
    const lead = given('LEAD').do('UpdateLeadDetails', { changes: { email: 'ann@example.com', jobTitle: 'CTO' } });
    expect(lead.data('LeadDetailsUpdated').changes).toEqual([{ field: 'jobTitle', old: null, new: 'CTO' }]);
    lead.do('UpdateLeadDetails', { changes: { jobTitle: null } });
    expect(lead.data('LeadDetailsUpdated').changes).toEqual([{ field: 'jobTitle', old: 'CTO', new: null }]);
    expect(lead.do('UpdateLeadDetails', { changes: { jobTitle: null } }).types()).toEqual([]);
  });

  it.each([
    ['FIELD_IMMUTABLE', { leadType: 'x' }],
    ['FIELD_IMMUTABLE', { source: 'x' }],
    ['VALIDATION_FAILED', { shoeSize: 43 }],
    ['VALIDATION_FAILED', { birthYear: '1980' }],
    ['EMAIL_INVALID', { email: 'nobody' }],
    ['PHONE_INVALID', { phone: '1' }],
    ['COUNTRY_INVALID', { country: 'de' }],
    ['CONTACT_POINT_REQUIRED', { email: null }],
  ])('answer %s', (code, changes) => {
    expect(given('LEAD').refused('UpdateLeadDetails', { changes }).code).toBe(code);
  });

  it('keep role apart from title', () => {
    const lead = given('LEAD').do('IdentifyRole', { role: 'decision_maker', confidence: 0.8 });
    expect(lead.data('RoleIdentified')).toMatchObject({ role: 'decision_maker', confidence: 0.8 });
  });
});

describe('owner', () => {
  it('is assigned in a team and told to the open promises', () => {
    const lead = given('SAL').do('AssignOwner', { ownerId: 'zoe' });
    expect(lead.data('OwnerAssigned')).toMatchObject({ ownerId: 'zoe', previousOwnerId: 'sam', teamId: 'sales' });
    expect(lead.do('AssignOwner', { ownerId: 'zoe' }).types()).toEqual([]);
    expect([...lead.lead.clocks.values()].at(-1)).toMatchObject({ clockType: 'first_contact', ownerId: 'zoe' });
  });

  it('must not have left, nor belong to another team', () => {
    const lead = given('SAL');
    const occurredAt = '2026-01-01T00:00:00.000Z';
    const joined = (repId: string, teamId: string) => ({ occurredAt, repId, teamId, skills: [] });
    lead.configured('rep-max', 'RepJoined', joined('max', 'marketing'));
    lead.configured('rep-gone', 'RepJoined', joined('gone', 'sales'));
    lead.configured('rep-gone', 'RepLeft', { occurredAt, repId: 'gone' });
    expect(lead.refused('AssignOwner', { ownerId: 'gone' }).code).toBe('UNKNOWN_REP');
    expect(lead.refused('AssignOwner', { ownerId: 'max', teamId: 'sales' }).code).toBe('NOT_IN_TEAM');
    expect(lead.refused('AssignOwner', { ownerId: 'zoe', teamId: 'nobody' }).code).toBe('UNKNOWN_TEAM');
  });
});

it('suspects a duplicate for a person to judge', () => {
  const lead = given('LEAD').do('SuspectDuplicate', { candidateLeadId: 'other', basis: ['phone'] });
  expect(lead.data('DuplicateSuspected')).toMatchObject({ candidateLeadId: 'other', score: 1, basis: ['phone'] });
});
