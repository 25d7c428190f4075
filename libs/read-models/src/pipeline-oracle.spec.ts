import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventType } from '#libs/lead/src/events.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { Past, type PastLead, policyBook, viewOf } from './given-when-then.js';
import { drillLeads, type ReportName, runReport } from './reports.js';
import type { ReadView } from './store/read-store.js';

/**
 * Forecast, stage benchmarks and staleness against slow and obvious code that reads the plain events: random deals that
 * are moved, re-valued, verified, put off, held, sent back, resumed, won, lost, recycled, voided and corrected, in
 * random batches, asked as of random instants.
 */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BEGIN = Date.parse('2018-03-19T08:00:00.000Z');
const iso = (ms: number): string => new Date(ms).toISOString();
const policies = policyBook();
/** Spec §3.6, in hundredths and days. */
const CHANCE: Record<string, number> = {
  meeting_booked: 40,
  demo: 75,
  quote_development: 80,
  quote_presented: 85,
  negotiation: 90,
};
const STAGES = Object.keys(CHANCE);
const LIMIT: Record<string, number> = { LEAD: 90, SAL: 7, SQL: 14, RECYCLED: 90, demo: 21 };

// ---------------------------------------------------------------------------------------------- random histories

interface Step {
  readonly lead: number;
  readonly pick: number;
  readonly minutes: number;
  readonly late: number;
  readonly value: number;
}
const steps = fc.array(
  fc.record({
    lead: fc.nat(2),
    pick: fc.nat(9999),
    minutes: fc.oneof(fc.nat(600), fc.nat(6000), fc.nat(30_000)),
    late: fc.oneof(fc.constant(0), fc.nat(6000)),
    value: fc.nat(999),
  }),
  { minLength: 1, maxLength: 120, size: 'max' },
);

interface Before {
  readonly dealId: string | null;
  readonly held: boolean;
}

/** A lead that plays by the rules of spec §3.3. */
class Player {
  readonly lead: PastLead;
  held = false;
  lastMs = 0;
  readonly stack: Before[] = [];
  readonly times = new Map<string, number>();

  constructor(past: Past) {
    this.lead = past.lead();
  }

  go(type: LeadEventType, to: LeadStateName, atMs: number, data: object = {}): void {
    this.stack.push({ dealId: this.lead.dealId, held: this.held });
    this.lead.transition(type as 'MarkedMQL', to, atMs, data);
    this.held = false;
    this.lastMs = atMs;
  }

  say(type: LeadEventType, atMs: number, data: object = {}): void {
    this.times.set(this.lead.fact(type, atMs, data), atMs);
  }

  play({ late, pick, value }: Step, nowMs: number): void {
    const { lead } = this;
    const atMs = Math.max(this.lastMs, nowMs - late * 60_000);
    const { dealId } = lead;
    const backdatedMs = nowMs - late * 60_000;
    if (lead.state === null)
      return this.go('LeadCaptured', 'LEAD', atMs, {
        source: {},
        leadType: 'new_business',
        captureMethod: 'form',
      });
    const options: (() => void)[] = [
      () => this.say('BehaviourRecorded', backdatedMs, { kind: 'page_view' }),
      () => this.say('ContactAttempted', backdatedMs),
      () => this.say('LeadResponded', backdatedMs),
      () => lead.fact('OwnerAssigned', nowMs, { ownerId: value % 2 === 0 ? 'sam' : 'sue', teamId: 'sales' }),
      () => {
        const until = iso(backdatedMs + value * 6 * HOUR);
        lead.fact('ContactDeferred', backdatedMs, { until, requestedBy: value % 3 === 0 ? 'sales' : 'lead' });
      },
    ];
    const [corrected, oldMs] = [...this.times][value % Math.max(1, this.times.size)] ?? [];
    if (corrected !== undefined && oldMs !== undefined) {
      options.push(() => {
        const newMs = oldMs - (value % 50) * HOUR;
        this.times.set(corrected, newMs);
        lead.fact('OccurredAtCorrected', nowMs, { correctedEventId: corrected, old: iso(oldMs), new: iso(newMs) });
      });
    }
    if (lead.visits.length > 1) {
      options.push(
        () => {
          const before = this.stack.pop() as Before;
          lead.voided(nowMs);
          lead.dealId = before.dealId;
          const holdable = ['SAL', 'SQL', 'OPPORTUNITY'].includes(lead.state as string);
          this.held = holdable && (this.held || before.held);
        },
        () => {
          const index = 1 + (value % (lead.visits.length - 1));
          const visit = lead.visits[index] as { eventId: string; atMs: number };
          const low = (lead.visits[index - 1] as { atMs: number }).atMs;
          const high = lead.visits[index + 1]?.atMs ?? Math.max(nowMs, low);
          const newMs = low + Math.floor(((high - low) * (value % 10)) / 10);
          const correction = { correctedEventId: visit.eventId, old: iso(visit.atMs), new: iso(newMs) };
          lead.fact('OccurredAtCorrected', nowMs, correction);
          visit.atMs = newMs;
          if (index === lead.visits.length - 1) this.lastMs = newMs;
        },
      );
    }
    const hold = (): void => {
      lead.fact(this.held ? 'ResumedFromHold' : 'PutOnHold', atMs);
      this.held = !this.held;
      this.lastMs = atMs;
    };
    const recycle = (): void => {
      this.go('RecycledNotReady', 'RECYCLED', atMs, dealId === null ? {} : { closedDealId: dealId });
      lead.dealId = null;
    };
    const stage = STAGES[value % STAGES.length] as string;
    const money = { amountMinor: 1 + value * 7, currency: 'EUR' };
    switch (lead.state) {
      case 'LEAD':
      case 'RECYCLED':
        options.push(
          () => this.go('AcceptedBySales', 'SAL', atMs),
          () => this.go('MarkedSQL', 'SQL', atMs),
          () => this.go('MarkedSQL', 'SQL', atMs),
        );
        break;
      case 'SAL':
        options.push(hold, recycle, () => this.go('MarkedSQL', 'SQL', atMs));
        break;
      case 'SQL':
        options.push(hold);
        if (dealId !== null) {
          const resume = () => this.go('OpportunityResumed', 'OPPORTUNITY', atMs, { dealId, dealStage: stage });
          options.push(recycle, resume, resume);
          break;
        }
        for (let weight = 0; weight < 4; weight += 1) {
          options.push(() => {
            const opened = lead.newId('deal');
            const currency = value % 5 === 0 ? 'USD' : 'EUR';
            this.go('OpportunityOpened', 'OPPORTUNITY', atMs, {
              dealId: opened,
              amount: { ...money, currency },
              dealStage: stage,
              expectedCloseDate: iso(BEGIN + (value % 90) * DAY).slice(0, 10),
              horizon: 'short',
            });
            lead.dealId = opened;
          });
        }
        break;
      case 'OPPORTUNITY': {
        const change = (type: LeadEventType, when: number, more: object) => () =>
          this.say(type, when, { dealId, ...more });
        const stageChange = () => {
          change('DealStageChanged', atMs, { to: stage })();
          this.lastMs = atMs;
        };
        options.push(
          hold,
          stageChange,
          stageChange,
          change('DealAmountChanged', backdatedMs, { new: money }),
          change('DealValueVerified', backdatedMs, { amount: money }),
          change('DealCloseDateChanged', backdatedMs, { new: iso(BEGIN + (value % 90) * DAY).slice(0, 10) }),
          () => this.go('OpportunityReturnedToQualification', 'SQL', atMs, { dealId }),
          recycle,
          () => {
            const amount = value % 4 === 0 ? null : money;
            this.go('DealWon', 'CUSTOMER', atMs, { dealId, amount, closedAt: iso(atMs), fxRateToReporting: '1' });
            lead.dealId = null;
          },
          () => {
            this.go('DealLost', 'LOST', atMs, { dealId, amount: null });
            lead.dealId = null;
          },
        );
        break;
      }
      case 'CUSTOMER':
      case 'LOST':
        options.push(() => this.go('LeadReopened', 'LEAD', atMs));
        break;
      default:
    }
    options[pick % options.length]?.();
  }
}

function playAll(history: readonly Step[]): { past: Past; nowMs: number } {
  const past = new Past();
  const players = Array.from({ length: 3 }, () => new Player(past));
  let nowMs = BEGIN;
  for (const step of history) {
    // The extra millisecond tells the times of any two facts apart.
    nowMs += step.minutes * 60_000 + 1;
    (players[step.lead] as Player).play(step, nowMs);
  }
  return { past, nowMs: nowMs + 1 };
}

// ---------------------------------------------------------------------------------------------------- the oracle

// oxlint-disable-next-line typescript/no-explicit-any -- events are read as plain JSON here, on purpose
type Any = any;
const data = (event: RecordedEvent): Any => event.data;
const isTransition = (e: RecordedEvent): boolean => data(e).toState !== undefined && e.type !== 'TransitionVoided';

class OracleLead {
  readonly leadId: string;
  readonly standing: RecordedEvent[];
  readonly #voids = new Map<string, RecordedEvent>();

  constructor(readonly events: RecordedEvent[]) {
    this.leadId = data(events[0] as RecordedEvent).leadId;
    for (const e of events) if (e.type === 'TransitionVoided') this.#voids.set(data(e).voidedEventId, e);
    this.standing = events.filter((e) => isTransition(e) && !this.#voids.has(e.id));
  }

  timeOf(e: RecordedEvent): number {
    const correction = this.events.findLast((c) => data(c).correctedEventId === e.id);
    return Date.parse(correction === undefined ? data(e).occurredAt : data(correction).new);
  }

  index(e: RecordedEvent): number {
    return this.events.indexOf(e);
  }

  /** The transition that the lead stood in at an instant. */
  at(ms: number): RecordedEvent | undefined {
    return this.standing.findLast((e) => this.timeOf(e) <= ms);
  }

  /** Voided transitions during whose visit the event was recorded. */
  voidedAround(e: RecordedEvent): { transition: RecordedEvent; voidedBy: RecordedEvent }[] {
    return this.events
      .filter((t) => this.#voids.has(t.id))
      .map((transition) => ({ transition, voidedBy: this.#voids.get(transition.id) as RecordedEvent }))
      .filter((one) => this.index(one.transition) < this.index(e) && this.index(e) < this.index(one.voidedBy));
  }

  holds(): { sinceMs: number; endMs: number }[] {
    const puts = this.events.filter((e) => e.type === 'PutOnHold');
    return puts.flatMap((put) => {
      const dropped = this.voidedAround(put).some(
        ({ voidedBy }) => !['SAL', 'SQL', 'OPPORTUNITY'].includes(data(voidedBy).restoredState),
      );
      if (dropped) return [];
      const end = this.events.slice(this.index(put) + 1).find((e) => {
        if (this.standing.includes(e)) return true;
        // It does not end a hold that a transition had ended, which was voided later.
        const ended = this.voidedAround(e).some(({ transition }) => this.index(transition) > this.index(put));
        return e.type === 'ResumedFromHold' && !ended;
      });
      return [{ sinceMs: this.timeOf(put), endMs: end === undefined ? Infinity : this.timeOf(end) }];
    });
  }

  get owner(): string | null {
    return this.ownerAfter(this.events.at(-1) as RecordedEvent);
  }
  ownerAfter(e: RecordedEvent): string | null {
    const until = this.events.slice(0, this.index(e) + 1);
    return data(until.findLast(({ type }) => type === 'OwnerAssigned') ?? e).ownerId ?? null;
  }

  deals(): OracleDeal[] {
    return this.standing.filter((e) => e.type === 'OpportunityOpened').map((e) => new OracleDeal(this, e));
  }
}

class OracleDeal {
  readonly dealId: string;
  readonly closing: RecordedEvent | undefined;

  constructor(
    readonly lead: OracleLead,
    readonly opening: RecordedEvent,
  ) {
    this.dealId = data(opening).dealId;
    this.closing = lead.standing.find(
      (e) =>
        (['DealWon', 'DealLost'].includes(e.type) && data(e).dealId === this.dealId) ||
        data(e).closedDealId === this.dealId,
    );
  }

  get openedMs(): number {
    return this.lead.timeOf(this.opening);
  }
  get closedMs(): number {
    return this.closing === undefined ? Infinity : this.lead.timeOf(this.closing);
  }
  get owner(): string | null {
    return this.closing === undefined ? this.lead.owner : this.lead.ownerAfter(this.closing);
  }

  /** What was said about it and still stands, in the order of the log. */
  told(ms: number): RecordedEvent[] {
    const { lead } = this;
    return lead.events.filter((e) => {
      if (data(e).dealId !== this.dealId || lead.timeOf(e) > ms) return false;
      if (isTransition(e)) return lead.standing.includes(e);
      return e.type !== 'DealStageChanged' || lead.voidedAround(e).length === 0;
    });
  }

  stages(ms: number): string[] {
    return this.told(ms).flatMap((e) => data(e).dealStage ?? (e.type === 'DealStageChanged' ? data(e).to : []));
  }

  at(ms: number): Any {
    if (this.openedMs > ms || this.closedMs <= ms) return null;
    const told = this.told(ms);
    const amounts = told.filter((e) =>
      ['OpportunityOpened', 'DealAmountChanged', 'DealValueVerified'].includes(e.type),
    );
    const verified = amounts.findLastIndex((e) => e.type === 'DealValueVerified');
    const unverified = amounts[verified + 1];
    const amountEvent = amounts.at(-1) as RecordedEvent;
    const dates = told.filter((e) => ['OpportunityOpened', 'DealCloseDateChanged'].includes(e.type));
    const dated = data(dates.at(-1) as RecordedEvent);
    return {
      stage: this.stages(ms).at(-1),
      amountMinor: (data(amountEvent).amount ?? data(amountEvent).new).amountMinor,
      currency: data(this.opening).amount.currency,
      closeDate: dated.expectedCloseDate ?? dated.new,
      unverifiedMs: unverified === undefined ? 0 : ms - this.lead.timeOf(unverified),
      requalifying: data(this.lead.at(ms) as RecordedEvent).toState === 'SQL',
      onHold: this.lead.holds().some(({ endMs, sinceMs }) => sinceMs <= ms && ms < endMs),
    };
  }
}

const readPast = (past: Past): OracleLead[] =>
  [...new Set(past.events.map(({ stream }) => stream))].map(
    (stream) => new OracleLead(past.events.filter((event) => event.stream === stream)),
  );

const halfUp = (numerator: number, denominator: number, places = 0): number | null => {
  if (denominator === 0) return null;
  const scaled = (2n * BigInt(numerator) * 10n ** BigInt(places) + BigInt(denominator)) / (2n * BigInt(denominator));
  return Number(scaled) / 10 ** places;
};

// --------------------------------------------------------------------------------------------------- comparison

const question = fc.record({
  from: fc.option(fc.integer({ min: -10, max: 90 }), { nil: null }),
  days: fc.integer({ min: 1, max: 60 }),
  asOf: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: null }),
  tz: fc.constantFrom('UTC', 'America/Sao_Paulo', 'Asia/Kolkata'),
});

interface Asked {
  readonly view: ReadView;
  readonly leads: readonly OracleLead[];
  readonly asOfMs: number;
  readonly tz: string;
  readonly period: { readonly from: string; readonly to: string } | null;
  readonly ask: (name: ReportName, query?: Record<string, string>) => Promise<Any>;
  readonly drill: (link: string) => Promise<string[]>;
}

/** Local date of an instant. */
const dateOf = (ms: number, tz: string): string => new Intl.DateTimeFormat('sv-SE', { timeZone: tz }).format(ms);
const inside = ({ period }: Asked, date: string): boolean =>
  period === null || (date >= period.from && date < period.to);

const RUNS = Number(process.env.ORACLE_RUNS ?? 40);
jest.setTimeout(60_000 + 500 * RUNS);

const check = (judge: (asked: Asked) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
      question,
      async (history, sizes, { asOf, days, from, tz }) => {
        const { nowMs, past } = playAll(history);
        const view = await viewOf(past, sizes);
        // Any instant of the history, so that most questions have something to answer.
        const asOfMs = asOf === null ? nowMs : BEGIN + Math.floor(((nowMs - BEGIN) * asOf) / 1000);
        const period =
          from === null
            ? null
            : { from: iso(BEGIN + from * DAY).slice(0, 10), to: iso(BEGIN + (from + days) * DAY).slice(0, 10) };
        const context = { nowMs, defaultTz: 'UTC', policies, position: null };
        await judge({
          view,
          leads: past.events.length === 0 ? [] : readPast(past),
          asOfMs,
          tz,
          period,
          ask: (name, query = {}) => runReport(view, name, { asOf: iso(asOfMs), tz, ...query }, context),
          drill: (link) => {
            const search = new URL(link, 'http://ledger').searchParams;
            const query = Object.fromEntries([...new Set(search.keys())].map((key) => [key, search.getAll(key)]));
            const single = Object.entries(query).map(([key, values]) => [
              key,
              values.length === 1 ? values[0] : values,
            ]);
            return drillLeads(view, Object.fromEntries(single) as Record<string, string>, context);
          },
        });
      },
    ),
    { numRuns: RUNS },
  );

const idsOf = (deals: readonly { deal: OracleDeal }[]): string[] =>
  [...new Set(deals.map(({ deal }) => deal.lead.leadId))].sort();

describe('pipeline reports against plain events', () => {
  it('forecast says what a reader of the events would add up', async () => {
    await check(async (asked) => {
      const { asOfMs, ask, drill, leads, period, tz } = asked;
      const deals = leads.flatMap((lead) => lead.deals()).map((deal) => ({ deal, now: deal.at(asOfMs) }));
      const won = deals
        .filter(({ deal }) => deal.closing?.type === 'DealWon' && deal.closedMs <= asOfMs)
        .map(({ deal }) => {
          const amounts = deal.told(Infinity).filter((e) => data(e).amount ?? data(e).new?.amountMinor);
          const amount = data(deal.closing as RecordedEvent).amount;
          const last = amounts.findLast((e) => e !== deal.closing) as RecordedEvent;
          // A win without an amount is one for what the deal was known to be worth, in the deal's own currency.
          const minor = amount?.amountMinor ?? (data(last).amount ?? data(last).new).amountMinor;
          const currency = amount?.currency ?? (data(last).amount ?? data(last).new).currency;
          return { deal, date: dateOf(deal.closedMs, tz), amountMinor: minor as number, currency: currency as string };
        })
        .filter(({ date }) => inside(asked, date));
      const expected = deals.filter(({ now }) => now !== null && inside(asked, now.closeDate));
      const held = expected.filter(({ now }) => now.onHold);
      const back = expected.filter(({ now }) => !now.onHold && now.requalifying);
      const open = expected.filter(({ now }) => !now.onHold && !now.requalifying);
      const isUnverified = ({ now }: { now: Any }) => now.unverifiedMs > 30 * DAY;

      const body = await ask('forecast', { by: 'owner', ...period });
      const same = async (figures: Any, owned: (deal: OracleDeal) => boolean): Promise<void> => {
        const mine = <T extends { deal: OracleDeal }>(some: readonly T[]): T[] =>
          some.filter(({ deal }) => owned(deal));
        expect(figures.excluded).toMatchObject({
          onHold: { count: mine(held).length },
          requalifying: { count: mine(back).length },
          unverified: { count: mine(open).filter(isUnverified).length },
        });
        expect(await drill(figures.excluded.onHold.drill)).toEqual(idsOf(mine(held)));
        const currencies: string[] = [
          ...new Set<string>([
            ...mine(open).map(({ now }) => now.currency),
            ...mine(won).map(({ currency }) => currency),
          ]),
        ].sort();
        expect(figures.currencies.map(({ currency }: Any) => currency)).toEqual(currencies);
        for (const answer of figures.currencies) {
          const here = mine(open).filter(({ now }) => now.currency === answer.currency);
          const sold = mine(won).filter(({ currency }) => currency === answer.currency);
          const months: string[] = [
            ...new Set<string>(
              [...here.map(({ now }) => now.closeDate), ...sold.map(({ date }) => date)].map((d) => d.slice(0, 7)),
            ),
          ].sort();
          expect(answer.months.map(({ month }: Any) => month)).toEqual(months);
          for (const [figure, month] of [[answer, ''], ...answer.months.map((one: Any) => [one, one.month])]) {
            const inMonth = here.filter(({ now }) => now.closeDate.startsWith(month));
            const soldThen = sold.filter(({ date }) => date.startsWith(month));
            const weighed = (some: typeof inMonth) => ({
              deals: some.length,
              numerator: halfUp(
                some.reduce((sum, { now }) => sum + now.amountMinor * (CHANCE[now.stage] as number), 0),
                100,
              ),
              denominator: some.reduce((sum, { now }) => sum + now.amountMinor, 0),
            });
            const wonMinor = soldThen.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
            expect(figure).toMatchObject({
              weighted: weighed(inMonth),
              committed: weighed(inMonth.filter((one) => !isUnverified(one))),
              won: { deals: soldThen.length, amountMinor: wonMinor },
              expected: { amountMinor: wonMinor + (weighed(inMonth).numerator as number) },
            });
            expect(await drill(figure.open.drill)).toEqual(idsOf(inMonth));
            expect(await drill(figure.won.drill)).toEqual(idsOf(soldThen));
            const committed = inMonth.filter((one) => !isUnverified(one));
            expect(await drill(figure.committed.drill)).toEqual(idsOf(committed));
          }
        }
      };
      await same(body.total, () => true);
      const owners = new Set([...expected, ...won].map(({ deal }) => deal.owner));
      expect(new Set(body.rows.map((row: Any) => row.dimensions.owner))).toEqual(owners);
      for (const row of body.rows) await same(row, (deal) => deal.owner === row.dimensions.owner);
    });
  });

  it('stage benchmarks count the ends of the deals that had been in a stage', async () => {
    await check(async (asked) => {
      const { asOfMs, ask, drill, leads, period, tz } = asked;
      const ended = leads
        .flatMap((lead) => lead.deals())
        .filter((deal) => deal.closedMs <= asOfMs && inside(asked, dateOf(deal.closedMs, tz)))
        .map((deal) => ({ deal, type: deal.closing?.type, stages: deal.stages(deal.closedMs) }));
      const { total } = await ask('stage-benchmarks', { ...period });
      expect(total.stages.map(({ stage }: Any) => stage)).toEqual(STAGES);
      for (const answer of total.stages) {
        const here = ended.filter(({ stages }) => stages.includes(answer.stage));
        const won = here.filter(({ type }) => type === 'DealWon');
        const resolved = here.filter(({ type }) => type !== 'RecycledNotReady');
        expect(answer).toMatchObject({
          winRate: {
            numerator: won.length,
            denominator: resolved.length,
            rate: halfUp(won.length, resolved.length, 6),
          },
          recycled: { count: here.length - resolved.length },
          below: resolved.length === 0 ? null : won.length * 100 < resolved.length * (CHANCE[answer.stage] as number),
        });
        expect(await drill(answer.winRate.drill)).toEqual(idsOf(won));
        expect(await drill(answer.winRate.drillDenominator)).toEqual(idsOf(resolved));
      }
    });
  });

  it('stale lists who has been silent for longer than the limit', async () => {
    const EITHER = ['LeadResponded'];
    const FROM_SAL = [
      'ContactAttempted',
      'DealStageChanged',
      'DealAmountChanged',
      'DealValueVerified',
      'DealCloseDateChanged',
    ];
    await check(async ({ asOfMs, ask, drill, leads }) => {
      const open = leads.flatMap((lead) => {
        const entry = lead.at(asOfMs);
        if (entry === undefined || ['CUSTOMER', 'LOST'].includes(data(entry).toState)) return [];
        const state = data(entry).toState as string;
        const kinds = new Set([
          ...EITHER,
          ...(['LEAD', 'RECYCLED'].includes(state) ? ['BehaviourRecorded'] : FROM_SAL),
        ]);
        const acts = lead.events
          .filter((e) => kinds.has(e.type) || e.type === 'TransitionVoided')
          .map((e) => lead.timeOf(e))
          .filter((ms) => ms <= asOfMs);
        const lastMs = Math.max(lead.timeOf(entry), ...acts);
        const holds = lead.holds().filter(({ sinceMs }) => sinceMs <= asOfMs);
        const deferrals = lead.events
          .filter((e) => e.type === 'ContactDeferred' && data(e).requestedBy === 'lead' && lead.timeOf(e) <= asOfMs)
          .map((e) => ({ sinceMs: lead.timeOf(e), endMs: Date.parse(data(e).until) }));
        const quiet = [...holds.filter(({ endMs }) => endMs <= asOfMs), ...deferrals];
        const edges = [lastMs, ...quiet.flatMap(({ endMs, sinceMs }) => [sinceMs, endMs])]
          .filter((ms) => ms >= lastMs)
          .sort((a, b) => a - b);
        let quietMs = 0;
        for (let index = 0; index + 1 < edges.length; index += 1) {
          const [a, b] = [edges[index] as number, edges[index + 1] as number];
          if (quiet.some(({ endMs, sinceMs }) => sinceMs <= a && endMs >= b)) quietMs += b - a;
        }
        const deal = lead.deals().find((one) => one.openedMs <= asOfMs && one.closedMs > asOfMs);
        const dealStage = state === 'OPPORTUNITY' ? ((deal as OracleDeal).stages(asOfMs).at(-1) as string) : null;
        const limit = LIMIT[dealStage ?? state] ?? 14;
        const onHold = holds.some(({ endMs }) => endMs > asOfMs);
        const ageMs = asOfMs - lastMs - quietMs;
        return [{ lead, state, dealStage, lastMs, ageMs, limit, onHold, stale: !onHold && ageMs > limit * DAY }];
      });
      const body = await ask('stale', { by: 'owner' });
      const ids = (some: readonly { lead: OracleLead }[]) => some.map(({ lead }) => lead.leadId).sort();
      const stale = open.filter((one) => one.stale);
      expect(body.total).toMatchObject({
        stale: { numerator: stale.length, denominator: open.length },
        onHold: { count: open.filter(({ onHold }) => onHold).length },
      });
      expect(await drill(body.total.stale.drill)).toEqual(ids(stale));
      expect(await drill(body.total.stale.drillDenominator)).toEqual(ids(open));
      expect(
        new Map(body.items.map((item: Any) => [item.leadId, [item.lastActivityAt, item.ageDays, item.limitDays]])),
      ).toEqual(
        new Map(
          stale.map(({ ageMs, lastMs, lead, limit }) => [lead.leadId, [iso(lastMs), halfUp(ageMs, DAY, 4), limit]]),
        ),
      );
      for (const stage of body.total.stages) {
        const here = open.filter((one) => one.state === stage.state && one.dealStage === stage.dealStage);
        expect(await drill(stage.stale.drillDenominator)).toEqual(ids(here));
        expect(await drill(stage.stale.drill)).toEqual(ids(here.filter((one) => one.stale)));
      }
      for (const row of body.rows) {
        const here = open.filter(({ lead }) => lead.owner === row.dimensions.owner);
        expect(row.stale).toMatchObject({
          numerator: here.filter((one) => one.stale).length,
          denominator: here.length,
        });
      }
    });
  });
});
