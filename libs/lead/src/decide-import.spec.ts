import { describe, expect, it } from '@jest/globals';
import type { CommandName } from './commands.js';
import { EUR, person, Scenario, ts } from './given-when-then.js';

/** History is imported by somebody who did none of it. */
const IMPORTER = person('integration', 'importer', []);
const imported = (outOfOrder: 'refuse' | 'clamp' = 'refuse') =>
  new Importing({ jobId: 'job', outOfOrder }).at('2026-03-02 10:00');

class Importing extends Scenario {
  row(name: CommandName, time: string, body: object = {}): this {
    return this.do(name, { occurredAt: ts(time), ...body }, IMPORTER);
  }
  refusedRow(name: CommandName, time: string, body: object = {}) {
    return this.refused(name, { occurredAt: ts(time), ...body }, IMPORTER);
  }
}

describe('imported history (spec §9.3)', () => {
  it('lands in its true time and waives what nobody asked then', () => {
    const lead = imported().row('CaptureLead', '2017-06-14 00:00', { source: { code: 'organic_search' } });
    expect(lead.data('LeadCaptured')).toMatchObject({
      occurredAt: ts('2017-06-14 00:00'),
      importJobId: 'job',
      guardsWaived: ['CONTACT_POINT_REQUIRED', 'SOURCE_REQUIRED', 'LEGAL_BASIS_REQUIRED'],
    });
    lead.row('MarkMQL', '2017-06-14 00:00');
    expect(lead.types()).toEqual(['MarkedMQL']);
    expect(lead.data('MarkedMQL').guardsWaived).toEqual(['SCORE_BELOW_THRESHOLD']);
  });

  it('wins an MQL directly: what was not recorded is skipped, never made up', () => {
    const lead = imported().row('CaptureLead', '2018-01-01 00:00').row('MarkMQL', '2018-01-01 00:00');
    lead.row('AssignOwner', '2018-02-01 09:00', { ownerId: 'sr-7' }).row('WinDeal', '2018-02-01 09:00');
    expect(lead.types()).toEqual(['DealWon']);
    expect(lead.data('DealWon')).toMatchObject({
      fromState: 'MQL',
      toState: 'CUSTOMER',
      skippedStages: ['SAL', 'SQL', 'OPPORTUNITY'],
      skipRule: 'import_unrecorded',
      amount: null,
      closedAt: ts('2018-02-01 09:00'),
      ownerId: 'sr-7',
      guardsWaived: ['AMOUNT_INVALID'],
    });
  });

  it('starts no clock anywhere', () => {
    const lead = imported().row('CaptureLead', '2018-01-01 00:00').row('MarkMQL', '2018-01-02 00:00');
    lead.row('HandOffToSales', '2018-01-02 00:00').row('AcceptLead', '2018-01-03 00:00', { ownerId: 'sr-7' });
    lead.row('LogContactAttempt', '2018-01-04 00:00', { channel: 'phone', outcome: 'connected' });
    lead.row('MarkSQL', '2018-01-05 00:00').row('WinDeal', '2018-01-06 00:00', { amount: EUR(100) });
    lead.row('LogPostSaleFollowUp', '2018-01-07 00:00', { channel: 'phone' });
    expect(lead.lead.clocks.size).toBe(0);
    expect(lead.lead.ownerId).toBe('sr-7');
  });

  it('is what people decided, though the ledger writes it', () => {
    const lead = imported().row('CaptureLead', '2018-01-01 00:00');
    const ledger = { type: 'system', id: 'import:job', role: 'system', teams: [] } as const;
    lead.do('MarkSQL', { occurredAt: ts('2018-01-05 00:00') }, ledger);
    expect(lead.data('MarkedSQL')).toMatchObject({ mode: 'manual', skipRule: 'import_unrecorded' });
  });

  it('opens a deal from SAL without making up an SQL', () => {
    const lead = imported().row('CaptureLead', '2018-01-01 00:00').row('AcceptLead', '2018-01-02 00:00');
    expect(lead.data('AcceptedBySales')).toMatchObject({
      skippedStages: ['MQL'],
      guardsWaived: ['NOT_HANDED_OFF', 'NOT_IN_ASSIGNED_TEAM'],
    });
    expect(lead.lead.ownerId).toBeNull();
    lead.row('OpenOpportunity', '2018-01-03 00:00', { amount: EUR(5), expectedCloseDate: '2018-02-01' });
    expect(lead.data('OpportunityOpened').skippedStages).toEqual(['SQL']);
    lead.row('LoseDeal', '2018-01-04 00:00', { reasonCode: 'price' });
    expect(lead.data('DealLost').skippedStages).toBeUndefined();
  });

  it('keeps the structure: pairs of states, reason codes, the limit of ten years', () => {
    const lead = imported().row('CaptureLead', '2018-01-01 00:00');
    expect(lead.refusedRow('ReopenLead', '2018-01-02 00:00', { reasonCode: 'x' }).code).toBe('INVALID_TRANSITION');
    expect(lead.refusedRow('DisqualifyLead', '2018-01-02 00:00', { reasonCode: 'mood' }).code).toBe(
      'UNKNOWN_REASON_CODE',
    );
    expect(lead.refusedRow('LoseDeal', '2018-01-02 00:00').code).toBe('LOSS_REASON_REQUIRED');
    expect(imported().refusedRow('CaptureLead', '2015-01-01 00:00').code).toBe('BACKDATE_LIMIT_EXCEEDED');
    expect(imported().refusedRow('CaptureLead', '2027-01-01 00:00').code).toBe('OCCURRED_IN_FUTURE');
  });

  it('refuses times that run backwards', () => {
    const lead = imported().row('CaptureLead', '2018-01-02 00:00').row('MarkMQL', '2018-01-02 00:00');
    expect(lead.refusedRow('WinDeal', '2018-01-01 00:00').code).toBe('OUT_OF_ORDER');
  });

  it('or clamps them, keeps the claim, and lists it', () => {
    const lead = imported('clamp').row('CaptureLead', '2018-01-02 00:00').row('MarkMQL', '2018-01-02 00:00');
    lead.row('WinDeal', '2018-01-01 00:00');
    expect(lead.data('DealWon')).toMatchObject({
      occurredAt: ts('2018-01-02 00:00'),
      closedAt: ts('2018-01-02 00:00'),
      claimedOccurredAt: ts('2018-01-01 00:00'),
    });
  });
});
