import { describe, expect, it } from '@jest/globals';
import { given, person, Scenario } from './given-when-then.js';

const subscriber = (interest: object) =>
  new Scenario().do('CaptureLead', {
    person: { email: 'ann@example.com' },
    source: { channel: 'search' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
    initialStage: 'subscriber',
    interest,
  });

describe('promoting a subscriber by hand (T2)', () => {
  it('goes by what the person asked for when it was captured', () => {
    const lead = subscriber({ kind: 'active', request: 'other' });
    expect(lead.lead.state).toBe('SUBSCRIBER');
    const asked = lead.idOf('BehaviourRecorded');
    lead.do('PromoteLead');
    expect(lead.lead.state).toBe('LEAD');
    expect(lead.data('PromotedToLead')).toMatchObject({ evidenceEventId: asked, fromState: 'SUBSCRIBER' });
  });

  it('is refused while nothing shows interest', () => {
    const lead = subscriber({ kind: 'none' }).do('RecordBehaviour', { kind: 'newsletter_subscribed' });
    expect(lead.refused('PromoteLead').code).toBe('NO_INTEREST_SHOWN');
    expect(lead.refused('PromoteLead', {}, person('sales')).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('marking a prospect by hand (T3)', () => {
  it('brings back what was voided, by the answer that is still there', () => {
    const lead = given('LEAD').do('LogResponse', { channel: 'email' });
    const [answer, became] = [lead.idOf('LeadResponded'), lead.idOf('BecameProspect')];
    lead.do('VoidTransition', { eventId: became, reason: 'meant another lead' });
    expect(lead.lead).toMatchObject({ state: 'LEAD', twoWaySinceMs: null });
    lead.do('MarkProspect', {}, person('sdr'));
    expect(lead.lead.state).toBe('PROSPECT');
    expect(lead.data('BecameProspect')).toMatchObject({ evidenceEventId: answer, channel: 'email' });
  });

  it('is refused without an answer, and changes nothing the second time', () => {
    expect(given('LEAD').refused('MarkProspect', {}, person('sales')).code).toBe('NO_TWO_WAY_EVIDENCE');
    const lead = given('PROSPECT').do('MarkProspect', {}, person('sales'));
    expect(lead.types()).not.toContain('BecameProspect');
  });
});
