import { describe, expect, it } from '@jest/globals';
import { liveClocks, recordedEvents } from '../../../test/support/clock-lives.js';
import type { Scenario } from '#libs/lead/src/given-when-then.js';
import { standingOutcome } from '#libs/lead/src/sla-clocks.js';
import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import { defaultConfigEvents, standardAgreement } from '#libs/policy/src/defaults.js';
import type { AgreementDocument, ClockRule } from '#libs/policy/src/documents.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { clockHistoryOf } from './clock-history.js';
import { clocksEncoder } from './encode-clocks.js';
import { GrowingTables } from './growing-tables.js';
import { replaySla, type SlaReplayRequest } from './sla-replay.js';

const HOUR_S = 3600;
const RUNS = Number(process.env.ORACLE_RUNS ?? 60);
/** Another set of lives for every machine that asks for one. */
const SEED = Number(process.env.ORACLE_SEED ?? 20_261);

function bookOf(change: (agreement: AgreementDocument) => AgreementDocument = (same) => same): PolicyBook {
  const book = new PolicyBook();
  for (const event of defaultConfigEvents(0)) {
    const changed = event.type === 'AgreementDrafted' ? { ...event.data, ...change(standardAgreement) } : event.data;
    book.apply({ ...event, data: changed });
  }
  return book;
}
function withClocks(change: (rule: ClockRule) => ClockRule): AgreementDocument {
  return { ...standardAgreement, clocks: standardAgreement.clocks.map(change) };
}
const standard = bookOf();

/** After some days other hours are agreed upon, and the promises are shorter. */
const changing = bookOf();
{
  const occurredAt = '2026-03-10T12:00:00.000Z';
  const version = { occurredAt, version: 2 };
  const activated = { ...version, effectiveFrom: occurredAt };
  const configured = (stream: string, type: string, data: object) => changing.apply({ stream, type, data });
  const shorter = withClocks(({ warnOpenS: _, ...rule }) => ({ ...rule, targetOpenS: rule.targetOpenS / 2 }));
  configured('agreement-standard', 'AgreementDrafted', { ...shorter, ...version });
  configured('agreement-standard', 'AgreementActivated', activated);
  const office = {
    ...standard.calendar('office', 1)!.document,
    timeZone: 'America/New_York',
    holidays: ['2026-03-17'],
  };
  configured('calendar-office', 'CalendarDefined', { ...office, ...version });
  configured('calendar-office', 'CalendarActivated', activated);
}

function historyOf(lives: readonly Scenario[]) {
  const tables = new GrowingTables();
  for (const life of lives) for (const event of recordedEvents(life)) void clocksEncoder.encode(event, tables);
  return clockHistoryOf(tables);
}

const everything = (lives: readonly Scenario[]): Omit<SlaReplayRequest, 'candidate'> => ({
  fromMs: 0,
  toMs: Infinity,
  asOfMs: Math.max(...lives.map(({ nowMs }) => nowMs)),
  limit: 1_000_000,
});
const UNCHANGED = { calendars: new Map<string, BusinessCalendar>() };

describe('promises of the past under the policies in force', () => {
  it('stand, fall and fall due as they were recorded, in any life of a lead', async () => {
    let clocks = 0;
    let breaches = 0;
    for (let n = 0; n < RUNS; n += 1) {
      const seed = SEED + n;
      const life = liveClocks({
        seed,
        leadId: `lead${n}`,
        policies: changing,
        sweepEvery: [0, 45, 700][n % 3]!,
        corrections: true,
      });
      const { check } = await replaySla(historyOf([life]), life.policies, {
        ...everything([life]),
        candidate: UNCHANGED,
      });
      expect({ seed, examples: check.examples }).toEqual({ seed, examples: [] });
      expect(check.clocks).toBe(life.all('SlaClockStarted').length);
      clocks += check.clocks;
      breaches += check.breaches;
    }
    expect(clocks).toBeGreaterThan(RUNS);
    expect(breaches).toBeGreaterThan(RUNS / 5);
  });
});

describe('promises of the past under other policies', () => {
  const candidates: [string, (agreement: AgreementDocument) => AgreementDocument][] = [
    ['shorter promises', () => withClocks((rule) => ({ ...rule, warnOpenS: undefined, targetOpenS: Math.ceil(rule.targetOpenS / 5) }))], // prettier-ignore
    ['longer promises', () => withClocks((rule) => ({ ...rule, targetOpenS: rule.targetOpenS * 3 }))],
    ['no pauses and no grace', () => ({ ...withClocks((rule) => ({ ...rule, pausable: false })), lateEvidenceGraceS: 0 })], // prettier-ignore
    ['pauses for all and much grace', () => ({ ...withClocks((rule) => ({ ...rule, pausable: true, warnOpenS: undefined, targetOpenS: rule.targetOpenS / 2 })), lateEvidenceGraceS: 500 * HOUR_S })], // prettier-ignore
    ['around the clock', () => withClocks((rule) => ({ ...rule, calendarId: '24x7' }))],
  ];

  it.each(candidates)('stand or fall as if the ledger had worked by them all along: %s', async (_, change) => {
    const other = bookOf((agreement) => JSON.parse(JSON.stringify(change(agreement))) as AgreementDocument);
    expect(await comparedWith(standard, other)).toBeGreaterThan(0);
  });

  it('stand or fall likewise where nobody had made them, as far as the facts were recorded', async () => {
    const cadenceOnly = bookOf((agreement) => ({
      ...agreement,
      clocks: agreement.clocks.filter(({ clockType }) => clockType === 'contact_cadence'),
    }));
    expect(await comparedWith(cadenceOnly, standard)).toBeGreaterThan(0);
  });
});

/** The lives under the policies of then, replayed under the other ones, against the same lives lived under those. Breaches that differ. */
async function comparedWith(then: PolicyBook, other: PolicyBook): Promise<number> {
  let differing = 0;
  for (let n = 0; n < RUNS / 2; n += 1) {
    const seed = SEED + 7919 * (n + 1);
    const common = { seed, leadId: `lead${n}`, corrections: false };
    const recorded = liveClocks({ ...common, policies: then, sweepEvery: [0, 45][n % 2]! });
    const otherwise = liveClocks({ ...common, policies: other, sweepEvery: 45 });
    const agreement = { document: other.agreement('standard', 1)! };
    const request = { ...everything([recorded]), candidate: { ...UNCHANGED, agreement } };
    const { breaches, check, total } = await replaySla(historyOf([recorded]), then, request);
    otherwise.sweep();
    const clocks = [...otherwise.lead.clocks.values()].filter(({ cancelReason }) => cancelReason !== 'voided');
    const outcomes = clocks.map(standingOutcome);
    const broken = clocks.filter((clock) => standingOutcome(clock) === 'breached');
    const expected = broken.map(({ breachedAtMs, clockType }) => `${clockType} ${iso(breachedAtMs!)}`).sort();
    const replayed = breaches.items.map(({ clockType, whatIfDueAt }) => `${clockType} ${whatIfDueAt}`).sort();
    expect({ seed, breaches: replayed }).toEqual({ seed, breaches: expected });
    const { cancelled, met, pending } = total.whatIf;
    const counted = ['met', 'pending', 'cancelled'].map(
      (name) => outcomes.filter((outcome) => outcome === name).length,
    );
    expect({ seed, counts: [met, pending, cancelled] }).toEqual({ seed, counts: counted });
    expect(check.differences).toBe(0);
    differing += total.gained + total.avoided;
  }
  return differing;
}
const iso = (ms: number): string => new Date(ms).toISOString();
