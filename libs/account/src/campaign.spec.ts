import { describe, expect, it } from '@jest/globals';
import { LeadError } from '#libs/lead/src/errors.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { campaignCommandSchemas, type CampaignCommand, type CampaignCommandName } from './account-commands.js';
import { CampaignBook, campaignEventSchemas, decideCampaign, initialCampaign } from './campaign.js';

const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const PLAN = { name: 'Spring', purpose: 'attract', channel: 'email', budget: EUR(500_000) };

class Given {
  readonly book = new CampaignBook();
  readonly policies = new PolicyBook();

  do(name: CampaignCommandName, body: object = {}): string[] {
    const command = { name, body: campaignCommandSchemas[name].parse(body) } as CampaignCommand;
    const campaign = this.book.get('spring') ?? initialCampaign('spring');
    const nowMs = Date.parse('2026-03-02T10:00:00.000Z');
    const events = decideCampaign(campaign, command, { nowMs, policies: this.policies });
    for (const { type, data } of events) {
      expect(campaignEventSchemas[type].parse(data)).toEqual(data);
      this.book.apply({ stream: 'campaign-spring', type, data });
    }
    return events.map(({ type }) => type);
  }

  code(name: CampaignCommandName, body: object = {}): string {
    try {
      this.do(name, body);
    } catch (error) {
      if (error instanceof LeadError) return error.code;
      throw error;
    }
    throw new Error(`${name} was not refused`);
  }
}

describe('a campaign', () => {
  it('is planned, launched, paid for and ended; costs still come in after its end', () => {
    const given = new Given();
    expect(given.book.size).toBe(0);
    given.do('PlanCampaign', PLAN);
    given.do('LaunchCampaign');
    expect(given.book.get('spring')).toMatchObject({ status: 'running', launchedAt: '2026-03-02T10:00:00.000Z' });
    given.do('RecordCampaignCost', { amount: EUR(20_000), date: '2026-02-28' });
    given.do('EndCampaign');
    given.do('RecordCampaignCost', { amount: EUR(5000) });
    expect(given.book.get('spring')).toMatchObject({
      status: 'ended',
      costs: [
        { amountMinor: 20_000, date: '2026-02-28' },
        { amountMinor: 5000, date: '2026-03-02' },
      ],
    });
    expect([given.book.size, given.book.has('spring'), given.book.has('autumn')]).toEqual([1, true, false]);
  });

  it('goes through its states in order', () => {
    const given = new Given();
    expect(given.code('LaunchCampaign')).toBe('CAMPAIGN_NOT_FOUND');
    given.do('PlanCampaign', PLAN);
    expect(given.code('PlanCampaign', PLAN)).toBe('CAMPAIGN_EXISTS');
    given.do('EndCampaign');
    expect(given.code('LaunchCampaign')).toBe('INVALID_TRANSITION');
    expect(given.code('EndCampaign')).toBe('INVALID_TRANSITION');
  });

  it('costs something, in the currency of its budget', () => {
    const given = new Given();
    given.do('PlanCampaign', PLAN);
    expect(given.code('RecordCampaignCost', { amount: EUR(0) })).toBe('AMOUNT_INVALID');
    expect(given.code('RecordCampaignCost', { amount: { amountMinor: 1, currency: 'USD' } })).toBe('CURRENCY_MISMATCH');
  });

  it('is for a persona that is agreed on, once one is', () => {
    const given = new Given();
    const at = { occurredAt: '2026-01-01T00:00:00.000Z', version: 1 };
    given.policies.apply({ stream: 'persona-paul', type: 'PersonaDrafted', data: { name: 'Paul', ...at } });
    given.policies.apply({
      stream: 'persona-paul',
      type: 'PersonaActivated',
      data: { ...at, effectiveFrom: at.occurredAt },
    });
    expect(given.code('PlanCampaign', { ...PLAN, personaId: 'olga' })).toBe('UNKNOWN_PERSONA');
    expect(given.do('PlanCampaign', { ...PLAN, personaId: 'paul' })).toEqual(['CampaignPlanned']);
  });
});
