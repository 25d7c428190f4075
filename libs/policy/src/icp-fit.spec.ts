import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ICP_CRITERIA, type Icp, type IcpCriterion } from './documents.js';
import { assessIcpFit, type CriterionResult, type Firmographics } from './icp-fit.js';

const EUR = (amountMinor: number) => ({ amountMinor, currency: 'EUR' });
const icp = (change: Partial<Icp> = {}): Icp => ({
  icpId: 'default',
  version: 1,
  industries: ['machinery', 'chemistry'],
  minAnnualRevenue: EUR(1_000_000_00),
  employees: { min: 50, max: 500 },
  regions: ['DE', 'AT'],
  hardCriteria: ['industry', 'annualRevenue'],
  ...change,
});
const FITTING: Firmographics = {
  industry: 'machinery',
  annualRevenue: EUR(1_000_000_00),
  employees: 50,
  country: 'DE',
};

describe('how a company fits an ICP', () => {
  it('passes with every criterion met; minimum and bounds are inclusive', () => {
    expect(assessIcpFit(icp(), FITTING)).toEqual({
      result: 'pass',
      failures: [],
      criteria: { industry: 'pass', annualRevenue: 'pass', employees: 'pass', region: 'pass' },
    });
    expect(assessIcpFit(icp(), { ...FITTING, employees: 500 }).result).toBe('pass');
  });

  it('fails with one criterion failed, and says what was asked and what there is', () => {
    const { result, failures } = assessIcpFit(icp(), { ...FITTING, annualRevenue: EUR(999_999_99) });
    expect(result).toBe('fail');
    expect(failures).toEqual([
      {
        criterion: 'annualRevenue',
        required: 'at least 100000000 EUR (minor units)',
        actual: '99999999 EUR (minor units)',
        hard: true,
      },
    ]);
  });

  it('tells a soft failure from a hard one', () => {
    expect(assessIcpFit(icp(), { ...FITTING, employees: 49 }).failures).toEqual([
      { criterion: 'employees', required: '50 to 500', actual: '49', hard: false },
    ]);
  });

  it('does not know about a company of which nothing is known, nor about a revenue in another currency', () => {
    expect(assessIcpFit(icp(), {}).result).toBe('unknown');
    const dollars = { ...FITTING, annualRevenue: { amountMinor: 1, currency: 'USD' } };
    expect(assessIcpFit(icp(), dollars)).toMatchObject({ result: 'unknown', failures: [] });
  });

  it('lets a failure outweigh what is not known', () => {
    expect(assessIcpFit(icp(), { industry: 'retail' }).result).toBe('fail');
  });

  it('passes every company that is known when nothing is asked', () => {
    const nothing = icp({ industries: [], minAnnualRevenue: undefined, employees: undefined, regions: [] });
    expect(assessIcpFit(nothing, { employees: 1 }).result).toBe('pass');
    expect(assessIcpFit(nothing, {}).result).toBe('unknown');
  });

  it('judges as a slow reading of the spec does, whatever is asked and known', () => {
    const codes = fc.constantFrom('machinery', 'chemistry', 'retail');
    const money = fc.record({ amountMinor: fc.integer({ min: 0, max: 4 }), currency: fc.constantFrom('EUR', 'USD') });
    const countries = fc.constantFrom('DE', 'AT', 'US');
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const asked = fc.record({
      industries: fc.array(codes, { maxLength: 2 }),
      minAnnualRevenue: maybe(money),
      employees: maybe(
        fc.record({ min: maybe(fc.integer({ min: 0, max: 3 })), max: maybe(fc.integer({ min: 0, max: 3 })) }),
      ),
      regions: fc.array(countries, { maxLength: 2 }),
      hardCriteria: fc.subarray([...ICP_CRITERIA]),
    });
    const known = fc.record({
      industry: maybe(codes),
      annualRevenue: maybe(money),
      employees: maybe(fc.integer({ min: 0, max: 4 })),
      country: maybe(countries),
    });
    fc.assert(
      fc.property(asked, known, (change, company) => {
        const profile = icp(change);
        const fit = assessIcpFit(profile, company);
        const slow = slowReading(profile, company);
        expect(fit.criteria).toEqual(
          Object.fromEntries(ICP_CRITERIA.map((name) => [name, slow.get(name) ?? 'unknown'])),
        );
        const judged = new Set(slow.values());
        const isKnown = Object.values(company).some((value) => value !== undefined);
        const isOpen = judged.has('unknown') || !isKnown;
        const result = judged.has('fail') ? 'fail' : isOpen ? 'unknown' : 'pass';
        expect(fit.result).toBe(result);
        expect(fit.failures.map(({ criterion, hard }) => [criterion, hard])).toEqual(
          ICP_CRITERIA.filter((name) => slow.get(name) === 'fail').map((name) => [
            name,
            profile.hardCriteria.includes(name),
          ]),
        );
      }),
    );
  });
});

/** Criterion by criterion, only those that are asked. */
function slowReading(asked: Icp, known: Firmographics): Map<IcpCriterion, CriterionResult> {
  const found = new Map<IcpCriterion, CriterionResult>();
  const put = (name: IcpCriterion, isKnown: boolean, holds: () => boolean) =>
    found.set(name, isKnown ? (holds() ? 'pass' : 'fail') : 'unknown');
  if (asked.industries.length > 0)
    put('industry', known.industry !== undefined, () => asked.industries.indexOf(known.industry!) >= 0);
  if (asked.minAnnualRevenue !== undefined) {
    const { amountMinor, currency } = asked.minAnnualRevenue;
    const comparable = known.annualRevenue !== undefined && known.annualRevenue.currency === currency;
    put('annualRevenue', comparable, () => !(known.annualRevenue!.amountMinor < amountMinor));
  }
  const { min, max } = asked.employees ?? {};
  if (min !== undefined || max !== undefined)
    put('employees', known.employees !== undefined, () => {
      const allowed = Array.from({ length: 10 }, (_, n) => n).some(
        (n) => n === known.employees && (min === undefined || n >= min) && (max === undefined || n <= max),
      );
      return allowed;
    });
  if (asked.regions.length > 0)
    put('region', known.country !== undefined, () => asked.regions.indexOf(known.country!) >= 0);
  return found;
}
