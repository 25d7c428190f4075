import { describe, expect, it } from '@jest/globals';
import { LeadError } from '#libs/lead/src/errors.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { evolveAccount, factsOf, initialAccount, type Account } from './account.js';
import { accountCommandSchemas, type AccountCommand, type AccountCommandName } from './account-commands.js';
import { accountEventSchemas, type AccountEvent } from './account-events.js';
import { decideAccount, type AccountContext } from './decide-account.js';

const NOW = Date.parse('2026-03-02T10:00:00.000Z');
const LEAD = '00000000-0000-4000-8000-000000000001';

/** An organisation that asks for a minimum revenue; without `minimum`: the default one, which asks nothing. */
function policies(minimum?: number): PolicyBook {
  const book = new PolicyBook();
  for (const event of defaultConfigEvents(0)) book.apply(event);
  if (minimum === undefined) return book;
  const at = { occurredAt: '2026-01-01T00:00:00.000Z', version: 2 };
  const document = { industries: [], minAnnualRevenue: EUR(minimum), regions: [], hardCriteria: ['annualRevenue'] };
  book.apply({ stream: 'icp-default', type: 'IcpDrafted', data: { ...document, ...at } });
  book.apply({ stream: 'icp-default', type: 'IcpActivated', data: { ...at, effectiveFrom: at.occurredAt } });
  return book;
}
const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });

/** One account as its command handler works it; every event is checked against its schema as if it were stored. */
class Given {
  account: Account = initialAccount('acme');
  latest: readonly AccountEvent[] = [];
  context: AccountContext = { nowMs: NOW, policies: policies(1000) };

  do(name: AccountCommandName, body: object = {}): this {
    const command = { name, body: accountCommandSchemas[name].parse(body) } as AccountCommand;
    this.latest = decideAccount(this.account, command, this.context);
    for (const event of this.latest) {
      expect(accountEventSchemas[event.type].parse(event.data)).toEqual(event.data);
      this.account = evolveAccount(this.account, JSON.parse(JSON.stringify(event)) as AccountEvent);
    }
    return this;
  }

  refused(name: AccountCommandName, body: object = {}): LeadError {
    try {
      this.do(name, body);
    } catch (error) {
      if (error instanceof LeadError) return error;
      throw error;
    }
    throw new Error(`${name} was not refused`);
  }

  naming(named: 'there' | 'absent'): this {
    this.context = { ...this.context, named };
    return this;
  }

  get types(): string[] {
    return this.latest.map(({ type }) => type);
  }
}
const registered = () =>
  new Given().do('RegisterAccount', { name: 'Acme', domains: ['Acme.example', 'acme.example'], country: 'DE' });

describe('an account', () => {
  it('is registered once, with each domain once, and judged by the ICP in force', () => {
    const acme = registered();
    expect(acme.types).toEqual(['AccountRegistered', 'AccountIcpAssessed']);
    expect(acme.account).toMatchObject({ name: 'Acme', domains: ['acme.example'], icpFit: { result: 'unknown' } });
    expect(acme.refused('RegisterAccount', { name: 'Acme' }).code).toBe('ACCOUNT_EXISTS');
  });

  it('keeps what is not told when its firmographics change, and is judged anew', () => {
    const acme = registered().do('UpdateFirmographics', { annualRevenue: EUR(999), employees: 7 });
    expect(acme.latest[1]).toMatchObject({ data: { icpVersion: 2, result: 'fail', failures: [{ hard: true }] } });
    acme.do('UpdateFirmographics', { annualRevenue: EUR(1000) });
    expect(acme.account.firmographics).toEqual({ country: 'DE', employees: 7, annualRevenue: EUR(1000) });
    expect(acme.account.icpFit?.result).toBe('pass');
    expect(factsOf(acme.account)).toEqual({
      accountId: 'acme',
      firmographics: acme.account.firmographics,
      survivorId: null,
    });
  });

  it('refuses an empty change, a country that is none, and what lies in the future', () => {
    expect(registered().refused('UpdateFirmographics').code).toBe('VALIDATION_FAILED');
    expect(registered().refused('UpdateFirmographics', { country: 'XX' }).code).toBe('COUNTRY_INVALID');
    const tomorrow = { employees: 1, occurredAt: '2026-03-03T10:00:00Z' };
    expect(registered().refused('UpdateFirmographics', tomorrow).code).toBe('OCCURRED_IN_FUTURE');
  });

  it('is judged when asked, by an ICP that is in force', () => {
    const acme = registered().do('AssessAccountIcp');
    expect(acme.types).toEqual(['AccountIcpAssessed']);
    expect(acme.refused('AssessAccountIcp', { icpId: 'other' }).code).toBe('UNKNOWN_ICP');
    acme.context = { ...acme.context, policies: new PolicyBook() };
    expect(acme.refused('AssessAccountIcp').code).toBe('NOT_READY');
    expect(acme.do('UpdateFirmographics', { employees: 3 }).types).toEqual(['FirmographicsUpdated']);
  });

  it('knows the buying roles of its leads until one leaves', () => {
    const acme = registered().naming('there').do('RecordBuyingRole', { leadId: LEAD, role: 'decision_maker' });
    expect(acme.account.buyingRoles.get(LEAD)).toBe('decision_maker');
    expect(acme.do('RecordBuyingRole', { leadId: LEAD, role: 'decision_maker' }).types).toEqual([]);
    acme.do('RecordDecisionMakerLeft', { leadId: LEAD, at: '2026-03-01T00:00:00Z' });
    expect(acme.account.buyingRoles.size).toBe(0);
    expect(acme.account.decisionMakersLeft).toEqual([{ leadId: LEAD, atMs: Date.parse('2026-03-01T00:00:00Z') }]);
    acme.naming('absent');
    expect(acme.refused('RecordBuyingRole', { leadId: LEAD, role: 'user' }).code).toBe('UNKNOWN_LEAD');
    expect(acme.refused('RecordDecisionMakerLeft', { leadId: LEAD }).code).toBe('UNKNOWN_LEAD');
    expect(acme.do('RecordDecisionMakerLeft').types).toEqual(['DecisionMakerLeft']);
  });

  it('is nurtured on a track once and researched as often as somebody finds something', () => {
    const acme = registered().do('EnrolAccountInNurture', { trackId: 'spring' });
    expect(acme.do('EnrolAccountInNurture', { trackId: 'spring' }).types).toEqual([]);
    acme.do('AddAccountResearch', { topic: 'plans', text: 'Builds a second plant' });
    expect(acme.account).toMatchObject({ nurtureTracks: ['spring'], research: [{ topic: 'plans' }] });
  });

  it('is nurtured only on tracks of the pipeline, once it lists some', () => {
    const acme = registered();
    const { policies: book } = acme.context;
    const { pipelineId: _, version, ...document } = book.pipeline('', NOW);
    const next = { occurredAt: '2026-01-01T00:00:00.000Z', version: version + 1 };
    const tracks = [{ trackId: 'basics', kind: 'account' }];
    book.apply({ stream: 'pipeline-default', type: 'PipelineDefined', data: { ...document, tracks, ...next } });
    book.apply({
      stream: 'pipeline-default',
      type: 'PipelineActivated',
      data: { ...next, effectiveFrom: next.occurredAt },
    });
    const refused = acme.refused('EnrolAccountInNurture', { trackId: 'spring' });
    expect(refused).toMatchObject({ code: 'UNKNOWN_TRACK', facts: { known: ['basics'] } });
    expect(acme.do('EnrolAccountInNurture', { trackId: 'basics' }).types).toEqual(['AccountEnrolledInNurture']);
  });

  it('goes on in the account it is merged into, and nowhere else', () => {
    const acme = registered();
    expect(acme.refused('MergeAccount', { survivorId: 'acme' }).code).toBe('MERGE_SAME_ACCOUNT');
    expect(acme.naming('absent').refused('MergeAccount', { survivorId: 'globex' }).code).toBe('UNKNOWN_ACCOUNT');
    acme.naming('there').do('MergeAccount', { survivorId: 'globex' });
    const refused = acme.refused('UpdateFirmographics', { employees: 1 });
    expect(refused).toMatchObject({ code: 'ACCOUNT_MERGED', status: 409, facts: { survivorId: 'globex' } });
  });

  it('has to be registered before anything else', () => {
    const names = Object.keys(accountCommandSchemas).filter((name) => name !== 'RegisterAccount');
    const body: Record<string, object> = {
      UpdateFirmographics: { employees: 1 },
      RecordBuyingRole: { leadId: LEAD, role: 'user' },
      EnrolAccountInNurture: { trackId: 'spring' },
      AddAccountResearch: { topic: 'plans', text: 'x' },
      MergeAccount: { survivorId: 'globex' },
    };
    for (const name of names as AccountCommandName[])
      expect(new Given().refused(name, body[name])).toMatchObject({ code: 'ACCOUNT_NOT_FOUND', status: 404 });
  });
});
