import { describe, expect, it } from '@jest/globals';
import type { CommandName } from './commands.js';
import { possibleCommands } from './decide.js';
import { given, person, Scenario, type Stage, ts } from './given-when-then.js';

const CALL = { channel: 'phone', outcome: 'voicemail' };
const STAGES: Stage[] = [
  'SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'OPPORTUNITY', 'CUSTOMER', 'LOST', 'RECYCLED', 'DISQUALIFIED', 'JUNK',
]; // prettier-ignore

describe('the table of transitions (spec §3.3)', () => {
  /** Written from the table, not from the rules. */
  const ALLOWED: Record<Stage, CommandName[]> = {
    SUBSCRIBER: ['PromoteLead', 'MarkMQL', 'MarkPQL', 'MarkServiceQualified', 'DisqualifyLead', 'MarkJunk'],
    LEAD: ['MarkMQL', 'MarkPQL', 'MarkServiceQualified', 'MarkSQL', 'DisqualifyLead', 'MarkJunk'],
    PROSPECT: ['MarkMQL', 'MarkPQL', 'MarkServiceQualified', 'MarkSQL', 'DisqualifyLead', 'MarkJunk'],
    MQL: ['HandOffToSales', 'AcceptLead', 'RejectLead', 'WithdrawQualification', 'MarkSQL', 'DisqualifyLead', 'MarkJunk'],
    SAL: ['MarkSQL', 'OpenOpportunity', 'PutOnHold', 'ResumeFromHold', 'RecycleLead', 'DisqualifyLead', 'MarkJunk'],
    SQL: ['OpenOpportunity', 'PutOnHold', 'ResumeFromHold', 'RecycleLead', 'DisqualifyLead'],
    OPPORTUNITY: [
      'ChangeDealStage', 'ReturnToQualification', 'PutOnHold', 'ResumeFromHold', 'WinDeal', 'LoseDeal', 'RecycleLead', 'DisqualifyLead',
    ],
    CUSTOMER: ['MarkPQL', 'MarkServiceQualified'],
    RECYCLED: ['MarkMQL', 'MarkPQL', 'MarkServiceQualified', 'MarkSQL', 'DisqualifyLead', 'MarkJunk'],
    LOST: ['RecycleLead', 'ReopenLead'],
    DISQUALIFIED: ['ReopenLead'],
    JUNK: ['ReopenLead'],
  }; // prettier-ignore
  const BODIES: Partial<Record<CommandName, object>> = {
    RejectLead: { reasonCode: 'bad_data' },
    OpenOpportunity: { amount: { amountMinor: 1, currency: 'EUR' }, expectedCloseDate: '2026-12-31' },
    ChangeDealStage: { to: 'demo' },
    ReturnToQualification: { reasonCode: 'budget_lost' },
    PutOnHold: { reasonCode: 'legal_review' },
    RecycleLead: { reasonCode: 'timing', nurtureTrackId: 't' },
    DisqualifyLead: { reasonCode: 'no_need' },
    MarkJunk: { reasonCode: 'spam' },
    ReopenLead: { reasonCode: 'x' },
  };
  const ALL = [...new Set([...Object.values(ALLOWED).flat(), 'ResumeOpportunity' as const])];

  it.each(STAGES)('%s allows just its rows', (stage) => {
    const others = ALL.filter((name) => !ALLOWED[stage].includes(name));
    for (const name of others) {
      const error = given(stage).refused(name, BODIES[name] ?? {}, person('admin'));
      expect([name, error.code]).toEqual([name, 'INVALID_TRANSITION']);
      expect(error.facts).toMatchObject({ from: stage, command: name });
      expect(error.facts.allowed).toHaveLength(ALLOWED[stage].length);
      expect(error.facts.allowed).toEqual(expect.arrayContaining(ALLOWED[stage]));
    }
    for (const name of ALLOWED[stage]) {
      try {
        given(stage).do(name, BODIES[name] ?? {}, person('admin'));
      } catch (error) {
        expect([name, (error as { code?: string }).code]).not.toEqual([name, 'INVALID_TRANSITION']);
      }
    }
  });
});

describe('time', () => {
  it('is the server’s unless told, and at most 5 minutes ahead', () => {
    const lead = given('MQL');
    expect(lead.refused('AcceptLead', { occurredAt: ts('2026-03-02 10:06') }).code).toBe('OCCURRED_IN_FUTURE');
    expect(lead.do('AcceptLead', { occurredAt: ts('2026-03-02 10:05') }).lead.state).toBe('SAL');
    lead.do('LogContactAttempt', CALL).do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' });
    expect(lead.data('RecycledNotReady').occurredAt).toBe(ts('2026-03-02 10:05'));
  });

  it('goes back 7 days for users, 90 for ops', () => {
    const lead = given('LEAD').at('2026-03-09 10:00');
    const weekAgo = { kind: 'guide', occurredAt: ts('2026-03-02 10:00') };
    const before = { kind: 'guide', occurredAt: ts('2026-03-02 09:59') };
    expect(lead.do('RecordBehaviour', weekAgo).types()).toEqual(['BehaviourRecorded']);
    expect(lead.refused('RecordBehaviour', before).code).toBe('BACKDATE_LIMIT_EXCEEDED');
    expect(lead.do('RecordBehaviour', before, person('ops')).types()).toEqual(['BehaviourRecorded']);
    const long = { kind: 'guide', occurredAt: ts('2025-12-09 09:59') };
    expect(lead.refused('RecordBehaviour', long, person('ops')).code).toBe('BACKDATE_LIMIT_EXCEEDED');
  });

  it('of transitions goes forward, facts may come late', () => {
    const lead = given('SAL').at('2026-03-03 10:00');
    const early = { occurredAt: ts('2026-03-02 09:00') };
    expect(lead.refused('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't', ...early }).code).toBe(
      'OUT_OF_ORDER',
    );
    expect(lead.refused('PutOnHold', { reasonCode: 'legal_review', ...early }).code).toBe('OUT_OF_ORDER');
    expect(lead.do('LogContactAttempt', { ...CALL, ...early }).types()).toEqual(['ContactAttempted']);
  });
});

describe('common checks', () => {
  it('ask for the role, then the lead, then the time, then the state', () => {
    const analyst = person('analyst');
    const future = { occurredAt: ts('2027-01-01 00:00') };
    expect(new Scenario().refused('AcceptLead', future, analyst).code).toBe('FORBIDDEN_ROLE');
    expect(new Scenario().refused('AcceptLead', future).code).toBe('LEAD_NOT_FOUND');
    expect(given('LEAD').refused('AcceptLead', future).code).toBe('OCCURRED_IN_FUTURE');
    expect(given('LEAD').refused('AcceptLead').code).toBe('INVALID_TRANSITION');
  });

  it('say where the lead stands when they refuse', () => {
    expect(given('LEAD').refused('AcceptLead').facts).toMatchObject({
      leadId: 'lead',
      currentState: 'LEAD',
      currentRevision: 0,
    });
  });
});

describe('settling', () => {
  it('on write comes before the command’s own events', () => {
    const lead = given('MQL').at('2026-03-03 11:00').do('IdentifyRole', { role: 'user' });
    expect(lead.types()).toEqual(['SlaBreached', 'RoleIdentified', 'LeadScored']);
    expect(lead.do('IdentifyRole', { role: 'user' }).types()).toEqual(['RoleIdentified']);
  });

  it('by a sweeper records what is due, and nothing twice', () => {
    const lead = given('MQL').at('2026-03-02 14:00').sweep();
    expect(lead.types()).toEqual(['SlaWarningRaised']);
    expect(lead.sweep().types()).toEqual([]);
    lead.at('2026-03-04 10:00').sweep();
    expect(lead.types()).toEqual(['SlaBreached', 'SlaEscalated']);
    expect(lead.data('SlaBreached')).toMatchObject({ detectedBy: 'sweeper', detectionLagS: 86_400 });
  });

  it('of a refused command remains, also when its own fact would have been in time', () => {
    const lead = given('MQL').at('2026-03-03 12:00');
    const timely = { reasonCode: 'mood', occurredAt: ts('2026-03-03 09:00') };
    expect(lead.refused('RejectLead', timely).code).toBe('UNKNOWN_REASON_CODE');
    expect(lead.all('SlaBreached')).toHaveLength(1);
    expect(lead.refused('RejectLead', timely).code).toBe('UNKNOWN_REASON_CODE');
    expect(lead.all('SlaBreached')).toHaveLength(1);
  });
});

describe('what a lead is offered', () => {
  const offered = (scenario: Scenario) => possibleCommands(scenario.lead);

  it('is of use to it: no deal is changed without one, no customer served before there is one', () => {
    const useless = new Set<CommandName>([
      'ChangeDealAmount',
      'SendProposal',
      'LogPostSaleFollowUp',
      'RetractBreach',
      'VoidTransition',
    ]);
    expect(offered(given('LEAD')).filter((command) => useless.has(command))).toEqual([]);
    expect(offered(given('OPPORTUNITY'))).toEqual(
      expect.arrayContaining(['ChangeDealAmount', 'VoidTransition', 'PutOnHold']),
    );
    expect(offered(given('OPPORTUNITY'))).not.toContain('ResolveObjection');
    expect(offered(given('OPPORTUNITY'))).not.toContain('DisqualifyLead');
    expect(offered(given('OPPORTUNITY').do('RaiseObjection', { code: 'price' }))).toContain('ResolveObjection');
    expect(offered(given('CUSTOMER'))).toContain('LogPostSaleFollowUp');
  });

  it('is an answer to the offer while one is open, and a hold only when there is none', () => {
    expect(offered(given('MQL'))).toEqual(expect.arrayContaining(['AcceptLead', 'RejectLead']));
    expect(offered(given('MQL'))).not.toContain('HandOffToSales');
    expect(offered(given('SAL'))).toContain('PutOnHold');
    expect(offered(given('SAL'))).not.toContain('ResumeFromHold');
    const held = offered(given('SAL').do('PutOnHold', { reasonCode: 'legal_review' }));
    expect(held).toContain('ResumeFromHold');
    expect(held).not.toContain('PutOnHold');
  });
});
