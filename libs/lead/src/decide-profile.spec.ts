import { describe, expect, it } from '@jest/globals';
import type { IcpDocument } from '#libs/policy/src/documents.js';
import type { Firmographics } from '#libs/policy/src/icp-fit.js';
import { given, person, Scenario, ts, type Stage } from './given-when-then.js';
import type { LeadError } from './errors.js';

const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const SMALL: Firmographics = { industry: 'machinery', annualRevenue: EUR(5_000_000), employees: 12, country: 'DE' };
const FITTING: Firmographics = { ...SMALL, annualRevenue: EUR(500_000_000), employees: 120 };
const ICP: Partial<IcpDocument> = {
  industries: ['machinery'],
  minAnnualRevenue: EUR(100_000_000),
  employees: { min: 50 },
  regions: [],
  hardCriteria: ['industry', 'annualRevenue'],
};
const CAPTURE = {
  person: { email: 'ann@example.com' },
  source: { channel: 'search' },
  consents: [{ purpose: 'email_marketing', basis: 'consent' }],
};

/** The organisation has agreed on an ICP. */
function withIcp(scenario: Scenario, document: Partial<IcpDocument> = ICP, version = 2): Scenario {
  const at = { occurredAt: '2026-01-01T00:00:00.000Z', version };
  scenario.configured('icp-default', 'IcpDrafted', {
    industries: [],
    regions: [],
    hardCriteria: [],
    ...document,
    ...at,
  });
  return scenario.configured('icp-default', 'IcpActivated', { ...at, effectiveFrom: at.occurredAt });
}
function knowing(scenario: Scenario, firmographics: Firmographics, accountId = 'acme'): Scenario {
  scenario.account = { accountId, firmographics, survivorId: null };
  return scenario;
}
const withoutIcp = (scenario: Scenario): Scenario =>
  scenario.configured('icp-default', 'IcpRetired', { occurredAt: '2026-01-01T00:00:00.000Z' });
const linked = (stage: Stage, firmographics: Firmographics) =>
  knowing(withIcp(given(stage)), firmographics).do('LinkAccount', { accountId: 'acme' });
const told = ({ code, facts }: LeadError) => ({ code, field: facts.field ?? facts.fields?.[0]?.field });

describe('linking a lead to an account', () => {
  it('records the link and how the company fits the ICP, in one append', () => {
    const lead = linked('LEAD', SMALL);
    expect(lead.types().slice(0, 2)).toEqual(['LinkedToAccount', 'IcpFitAssessed']);
    expect(lead.data('LinkedToAccount')).toMatchObject({ accountId: 'acme', basis: 'manual' });
    expect(lead.data('IcpFitAssessed')).toMatchObject({
      icpId: 'default',
      icpVersion: 2,
      result: 'fail',
      accountId: 'acme',
      criteria: { industry: 'pass', annualRevenue: 'fail', employees: 'fail', region: 'unknown' },
      firmographics: SMALL,
      failures: [
        { criterion: 'annualRevenue', hard: true },
        { criterion: 'employees', hard: false },
      ],
    });
    expect(lead.lead).toMatchObject({ accountId: 'acme', icpFit: { result: 'fail' } });
    expect(lead.refold()).toEqual(lead.lead);
  });

  it('records the link alone while no ICP is in force', () => {
    const lead = knowing(withoutIcp(given('LEAD')), SMALL).do('LinkAccount', { accountId: 'acme', basis: 'domain' });
    expect(lead.types()).toEqual(['LinkedToAccount']);
    expect(lead.lead.icpFit).toBeNull();
  });

  it('does nothing a second time, and leaves one account for another', () => {
    const lead = linked('LEAD', FITTING).do('LinkAccount', { accountId: 'acme' });
    expect(lead.types()).toEqual([]);
    knowing(lead, SMALL, 'globex').do('LinkAccount', { accountId: 'globex' });
    expect(lead.types().slice(0, 3)).toEqual(['UnlinkedFromAccount', 'LinkedToAccount', 'IcpFitAssessed']);
    expect(lead.lead).toMatchObject({ accountId: 'globex', icpFit: { result: 'fail' } });
  });

  it('needs an account that is there and was not merged into another', () => {
    const lead = given('LEAD');
    lead.account = null;
    expect(told(lead.refused('LinkAccount', { accountId: 'nobody' }))).toEqual({
      code: 'UNKNOWN_ACCOUNT',
      field: 'accountId',
    });
    lead.account = { accountId: 'acme', firmographics: {}, survivorId: 'globex' };
    const merged = lead.refused('LinkAccount', { accountId: 'acme' });
    expect(merged).toMatchObject({ code: 'UNKNOWN_ACCOUNT', facts: { survivorId: 'globex' } });
  });

  it('is undone by unlinking, with the judgement of the company', () => {
    const lead = linked('LEAD', SMALL).do('UnlinkAccount');
    expect(lead.data('UnlinkedFromAccount')).toMatchObject({ accountId: 'acme' });
    expect(lead.lead).toMatchObject({ accountId: null, icpFit: null });
    expect(lead.do('UnlinkAccount').types()).toEqual([]);
  });
});

describe('capturing a lead of an account', () => {
  const capturing = (firmographics: Firmographics) => knowing(withIcp(new Scenario()), firmographics);

  it('judges the company in the same append', () => {
    const lead = capturing(SMALL).do('CaptureLead', { ...CAPTURE, accountId: 'acme' });
    expect(lead.types().slice(0, 2)).toEqual(['LeadCaptured', 'IcpFitAssessed']);
    expect(lead.lead).toMatchObject({ accountId: 'acme', icpFit: { result: 'fail', firmographics: SMALL } });
  });

  it('refuses an account that is not there', () => {
    const lead = new Scenario();
    lead.account = null;
    expect(lead.refused('CaptureLead', { ...CAPTURE, accountId: 'nobody' }).code).toBe('UNKNOWN_ACCOUNT');
  });

  it('links a known lead that had no account, and leaves one that has', () => {
    const lead = knowing(withIcp(given('LEAD')), FITTING).do('CaptureLead', { ...CAPTURE, accountId: 'acme' });
    expect(lead.data('LinkedToAccount')).toMatchObject({ accountId: 'acme', basis: 'enrichment' });
    knowing(lead, SMALL, 'globex').do('CaptureLead', { ...CAPTURE, accountId: 'globex' });
    expect(lead.lead.accountId).toBe('acme');
  });
});

describe('assessing the fit', () => {
  it('is unknown without an account', () => {
    const lead = withIcp(given('LEAD')).do('AssessIcpFit');
    expect(lead.data('IcpFitAssessed')).toMatchObject({ result: 'unknown', failures: [], firmographics: {} });
  });

  it('follows what the account says now, and the ledger repeats nothing', () => {
    const system = { type: 'system', id: 'system:icp', role: 'system', teams: [] } as const;
    const lead = linked('LEAD', SMALL).do('AssessIcpFit', {}, system);
    expect(lead.types()).toEqual([]);
    knowing(lead, FITTING).do('AssessIcpFit', {}, system);
    expect(lead.data('IcpFitAssessed')).toMatchObject({ result: 'pass', failures: [] });
    withIcp(lead, { ...ICP, industries: ['chemistry'] }, 3).do('AssessIcpFit', {}, system);
    expect(lead.data('IcpFitAssessed')).toMatchObject({ icpVersion: 3, result: 'fail' });
  });

  it('needs an ICP in force', () => {
    expect(withoutIcp(given('LEAD')).refused('AssessIcpFit')).toMatchObject({
      code: 'NOT_READY',
      facts: { missing: ['icp'] },
    });
    expect(told(withIcp(given('LEAD')).refused('AssessIcpFit', { icpId: 'other' }))).toEqual({
      code: 'UNKNOWN_ICP',
      field: 'icpId',
    });
  });
});

describe('a company that fails a hard criterion', () => {
  it.each(['MarkMQL', 'MarkPQL', 'MarkServiceQualified'] as const)('keeps its leads from %s', (command) => {
    const lead = linked('LEAD', SMALL);
    const refused = lead.refused(command, command === 'MarkServiceQualified' ? {} : { reason: 'we like them' });
    expect(refused).toMatchObject({ code: 'ICP_THRESHOLD_FAILED', facts: { failed: ['annualRevenue'] } });
  });

  it('may be qualified once it fits, or when only a soft criterion fails', () => {
    const lead = linked('LEAD', SMALL);
    knowing(lead, { ...FITTING, employees: 12 }).do('AssessIcpFit');
    expect(lead.lead.icpFit?.result).toBe('fail');
    expect(lead.do('MarkMQL', { reason: 'fits' }).lead.state).toBe('MQL');
  });

  it.each<[Stage, Firmographics, string]>([
    ['LEAD', { ...FITTING, industry: 'retail' }, 'industry_not_served'],
    ['MQL', SMALL, 'revenue_below_minimum'],
    ['SQL', SMALL, 'revenue_below_minimum'],
    ['RECYCLED', SMALL, 'revenue_below_minimum'],
  ])('takes a %s out of the funnel where the pipeline says so', (stage, firmographics, reasonCode) => {
    const lead = knowing(withIcp(given(stage).underPipeline({ icpFailure: 'disqualify' })), firmographics);
    lead.do('LinkAccount', { accountId: 'acme' });
    expect(lead.data('Disqualified')).toMatchObject({ reasonCode, fromState: stage });
    expect(lead.lead.state).toBe('DISQUALIFIED');
    expect([...lead.lead.clocks.values()].filter(({ status }) => status === 'running')).toEqual([]);
  });

  it('takes a company that is too small out of the funnel when headcount is hard', () => {
    const lead = given('LEAD').underPipeline({ icpFailure: 'disqualify' });
    withIcp(lead, { employees: { min: 50 }, hardCriteria: ['employees'] });
    knowing(lead, SMALL).do('LinkAccount', { accountId: 'acme' });
    expect(lead.data('Disqualified').reasonCode).toBe('company_too_small');
  });

  it('never takes an opportunity out, and by default nobody', () => {
    const open = knowing(withIcp(given('OPPORTUNITY').underPipeline({ icpFailure: 'disqualify' })), SMALL);
    expect(open.do('LinkAccount', { accountId: 'acme' }).lead.state).toBe('OPPORTUNITY');
    expect(linked('LEAD', SMALL).lead.state).toBe('LEAD');
  });
});

describe('who it is and what it wants', () => {
  it('keeps the role that was identified', () => {
    const lead = given('LEAD').do('IdentifyRole', { role: 'decision_maker', jobTitle: 'Head of plant' });
    expect(lead.lead).toMatchObject({ role: 'decision_maker', details: { jobTitle: 'Head of plant' } });
  });

  it('verifies the contact person, or says who decides instead', () => {
    const lead = given('LEAD').do('VerifyContactPerson', {
      isDecisionMaker: false,
      evidence: 'asked',
      decisionMakerLeadId: 'other',
    });
    expect(lead.data('ContactPersonVerified')).toMatchObject({ isDecisionMaker: false, evidence: 'asked' });
    expect(lead.lead.contactPerson).toEqual({ isDecisionMaker: false, decisionMakerLeadId: 'other' });
    const both = { isDecisionMaker: true, evidence: 'asked', decisionMakerLeadId: 'other' };
    expect(told(lead.refused('VerifyContactPerson', both))).toEqual({
      code: 'VALIDATION_FAILED',
      field: 'decisionMakerLeadId',
    });
  });

  it('takes any persona until one is agreed on, then only those', () => {
    const lead = given('LEAD').do('AssignPersona', { personaId: 'olga' });
    expect(lead.data('PersonaAssigned')).toMatchObject({ personaId: 'olga', personaVersion: 1, confidence: 1 });
    const at = { occurredAt: '2026-01-01T00:00:00.000Z', version: 3 };
    lead.configured('persona-paul', 'PersonaDrafted', { name: 'Purchasing Paul', ...at });
    lead.configured('persona-paul', 'PersonaActivated', { ...at, effectiveFrom: at.occurredAt });
    expect(told(lead.refused('AssignPersona', { personaId: 'olga' }))).toEqual({
      code: 'UNKNOWN_PERSONA',
      field: 'personaId',
    });
    lead.do('AssignPersona', { personaId: 'paul', confidence: 0.5 });
    expect(lead.data('PersonaAssigned')).toMatchObject({ personaVersion: 3, confidence: 0.5 });
    expect(lead.lead.personaId).toBe('paul');
  });

  it('changes the lead type, with a reason, unless the open deal has no place in the other pipeline', () => {
    const lead = given('OPPORTUNITY');
    expect(lead.refused('ChangeLeadType', { to: 'maintenance' }).code).toBe('VALIDATION_FAILED');
    lead.do('ChangeLeadType', { to: 'existing_customer', reason: 'bought last year' });
    expect(lead.data('LeadTypeChanged')).toMatchObject({ from: 'new_business', to: 'existing_customer' });
    expect(lead.lead.leadType).toBe('existing_customer');
    const { pipelineId: _, version: __, ...document } = lead.policies.pipeline('new_business', lead.nowMs);
    const next = { occurredAt: '2026-01-01T00:00:00.000Z', version: 1 };
    const own = { leadTypes: ['maintenance'], dealStages: document.dealStages.slice(1) };
    lead.configured('pipeline-maintenance', 'PipelineDefined', { ...document, ...own, ...next });
    lead.configured('pipeline-maintenance', 'PipelineActivated', { ...next, effectiveFrom: next.occurredAt });
    const refused = lead.refused('ChangeLeadType', { to: 'maintenance', reason: 'service contract' });
    expect(told(refused)).toEqual({ code: 'UNKNOWN_DEAL_STAGE', field: 'to' });
  });

  it('identifies the goal, with its words kept personal', () => {
    const lead = given('PROSPECT').do('IdentifyGoal', {
      goal: 'Halve the time to a quote',
      challengeCode: 'slow_quotes',
      interestedInBuying: 'yes',
    });
    expect(lead.lead.goal).toEqual({
      text: 'Halve the time to a quote',
      challengeCode: 'slow_quotes',
      interestedInBuying: 'yes',
    });
    expect(lead.refused('IdentifyGoal', { goal: '', challengeCode: 'slow_quotes' }).code).toBe('VALIDATION_FAILED');
  });

  it('assesses the intent on evidence that is there', () => {
    const lead = given('PROSPECT');
    const evidenceEventId = lead.idOf('LeadResponded');
    lead.do('AssessIntent', { level: 'high', channel: 'phone', evidenceEventId });
    expect(lead.data('BuyingIntentAssessed')).toMatchObject({ level: 'high', evidenceEventId });
    expect(lead.lead.buyingIntent).toBe('high');
    const unknown = { level: 'high', channel: 'phone', evidenceEventId: 'nothing' };
    expect(told(lead.refused('AssessIntent', unknown))).toEqual({ code: 'UNKNOWN_EVIDENCE', field: 'evidenceEventId' });
  });

  const six = { productKnowledge: 2, ourKnowledgeOfBusiness: 1, visitFrequencyPer30d: 4, understandsValue: 2 };
  it('answers the six buying questions; budget and proposal may be unknown', () => {
    const lead = given('SAL').do('AnswerBuyingQuestions', six);
    expect(lead.lead.buyingQuestions).toEqual({ ...six, hasBudget: 'unknown', wantsProposal: 'unknown' });
  });

  it.each([
    ['productKnowledge', 4],
    ['understandsValue', -1],
    ['ourKnowledgeOfBusiness', 1.5],
    ['visitFrequencyPer30d', -1],
    ['hasBudget', 'perhaps'],
  ])('refuses an answer out of range: %s %s', (field, value) => {
    expect(told(given('SAL').refused('AnswerBuyingQuestions', { ...six, [field]: value }))).toEqual({
      code: 'VALIDATION_FAILED',
      field,
    });
  });

  it('measures how complete the data are; from PROSPECT on the goal belongs to them', () => {
    const lead = given('LEAD').do('UpdateLeadDetails', { changes: { givenName: 'Ann', country: 'DE' } });
    lead.do('CheckDataQuality', { staleFields: ['phone'], verifiedAt: ts('2026-03-01 09:00') });
    // E-mail, given name and country of nine.
    expect(lead.data('DataQualityChecked')).toEqual(
      expect.objectContaining({ completeness: 0.3333, staleFields: ['phone'], verifiedAt: ts('2026-03-01 09:00') }),
    );
    lead.do('LogResponse', { channel: 'email' }).do('CheckDataQuality');
    expect(lead.data('DataQualityChecked').completeness).toBe(0.3);
    expect(lead.refused('CheckDataQuality', { verifiedAt: ts('2026-03-03 09:00') }).code).toBe('OCCURRED_IN_FUTURE');
  });

  it('may not be changed as a detail', () => {
    const lead = given('LEAD');
    for (const field of ['accountId', 'personaId', 'role', 'leadType'])
      expect(lead.refused('UpdateLeadDetails', { changes: { [field]: 'x' } }).code).toBe('FIELD_IMMUTABLE');
  });

  it('is not for those who only read', () => {
    const analyst = person('analyst');
    for (const [command, body] of [
      ['LinkAccount', { accountId: 'acme' }],
      ['ObserveJourneyStage', { stage: 'decision' }],
      ['AssessIcpFit', {}],
    ] as const)
      expect(given('LEAD').refused(command, body, analyst).code).toBe('FORBIDDEN_ROLE');
  });
});

describe('a campaign that a capture or a behaviour names', () => {
  const source = { channel: 'email', campaignId: 'spring' };

  it('is taken as it comes until one is planned', () => {
    const lead = new Scenario();
    lead.campaigns = new Set<string>();
    expect(lead.do('CaptureLead', { ...CAPTURE, source }).lead.state).toBe('LEAD');
  });

  it('has to be planned from then on', () => {
    const lead = new Scenario();
    lead.campaigns = new Set(['autumn']);
    expect(told(lead.refused('CaptureLead', { ...CAPTURE, source }))).toEqual({
      code: 'UNKNOWN_CAMPAIGN',
      field: 'source.campaignId',
    });
    lead.campaigns = new Set(['autumn', 'spring']);
    lead.do('CaptureLead', { ...CAPTURE, source }).do('RecordBehaviour', { kind: 'guide', campaignId: 'autumn' });
    expect(told(lead.refused('RecordBehaviour', { kind: 'guide', campaignId: 'winter' }))).toEqual({
      code: 'UNKNOWN_CAMPAIGN',
      field: 'campaignId',
    });
  });
});

describe('a decision maker who left (EP-12)', () => {
  const left = { kind: 'left', previousLeadId: 'boss' };

  it('is recorded on the open deal, for people to act on', () => {
    const lead = given('OPPORTUNITY').do('ChangeDecisionMaker', left);
    expect(lead.types()).toEqual(['DecisionMakerChanged']);
    expect(lead.data('DecisionMakerChanged')).toMatchObject({ dealId: lead.lead.deal?.dealId, ...left });
    expect(lead.lead).toMatchObject({ state: 'OPPORTUNITY', deal: { decisionMaker: { kind: 'left' } } });
  });

  it('returns the deal to qualification where the pipeline says so', () => {
    const lead = given('OPPORTUNITY').underPipeline({ decisionMakerLeft: 'return' }).do('ChangeDecisionMaker', left);
    expect(lead.data('OpportunityReturnedToQualification')).toMatchObject({
      reasonCode: 'decision_maker_left',
      fromState: 'OPPORTUNITY',
      toState: 'SQL',
    });
    expect(lead.lead.deal?.status).toBe('requalifying');
  });

  it('does not move a deal on hold, nor one whose decision maker was replaced', () => {
    const pipeline = { decisionMakerLeft: 'return' } as const;
    const held = given('OPPORTUNITY').underPipeline(pipeline).do('PutOnHold', { reasonCode: 'budget_cycle' });
    expect(held.do('ChangeDecisionMaker', left).lead.state).toBe('OPPORTUNITY');
    const replaced = given('OPPORTUNITY').underPipeline(pipeline);
    replaced.do('ChangeDecisionMaker', { kind: 'replaced', newLeadId: 'her' });
    expect(replaced.lead.state).toBe('OPPORTUNITY');
  });

  it('needs an open deal', () => {
    expect(given('SQL').refused('ChangeDecisionMaker', left).code).toBe('UNKNOWN_DEAL');
  });
});
