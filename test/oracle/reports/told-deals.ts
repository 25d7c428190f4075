import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { type Any, data, type OracleLead } from './told-leads.js';

/** Deals as a slow and plain reader of the events knows them. */

/** A stay in a deal stage. */
export interface Stay {
  readonly stage: string;
  readonly enteredMs: number;
  readonly exitedMs: number | null;
  /** The next stage; `won`, `lost`, `recycled`, `requalifying`; null: it is still there. */
  readonly exit: string | null;
}

export interface DealNow {
  readonly stage: string;
  readonly amountMinor: number;
  readonly currency: string;
  /** Local date. */
  readonly closeDate: string;
  readonly unverifiedMs: number;
  readonly requalifying: boolean;
  readonly onHold: boolean;
}

const isTransition = (e: RecordedEvent): boolean => data(e).toState !== undefined && e.type !== 'TransitionVoided';

export class ToldDeal {
  readonly dealId: string;
  readonly closing: RecordedEvent | undefined;
  readonly #standing: readonly RecordedEvent[];

  constructor(
    readonly lead: OracleLead,
    /** The event that opened it; its end, where history tells of no opening. */
    readonly opening: RecordedEvent,
  ) {
    this.dealId = dealOf(opening);
    this.#standing = lead.visits.map(({ event }) => event);
    this.closing = this.#standing.find((e) => CLOSINGS.has(e.type) && dealOf(e) === this.dealId);
  }

  get leadId(): string {
    return this.lead.leadId;
  }
  get openedMs(): number {
    return this.lead.timeOf(this.opening);
  }
  get closedMs(): number {
    return this.closing === undefined ? Infinity : this.lead.timeOf(this.closing);
  }
  get kind(): 'won' | 'lost' | 'recycled' | null {
    if (this.closing === undefined) return null;
    return this.closing.type === 'DealWon' ? 'won' : this.closing.type === 'DealLost' ? 'lost' : 'recycled';
  }
  get horizon(): 'short' | 'long' {
    return data(this.opening).horizon ?? 'short';
  }
  /** Owner and team of a closed deal are those of its end. */
  get dims(): Record<string, string | null> {
    const { dims, ownership } = this.lead;
    return this.closing === undefined ? dims : { ...dims, ...ownership.get(this.closing.id) };
  }

  /** What was said about it and still stands, in the order of the log. */
  told(ms: number): RecordedEvent[] {
    const { lead } = this;
    return lead.events.filter((e) => {
      if (data(e).dealId !== this.dealId || lead.timeOf(e) > ms) return false;
      if (isTransition(e)) return this.#standing.includes(e);
      return e.type !== 'DealStageChanged' || lead.voidedAround(e).length === 0;
    });
  }

  stages(ms: number): string[] {
    return this.told(ms).flatMap((e) => data(e).dealStage ?? (e.type === 'DealStageChanged' ? data(e).to : []));
  }

  /** Null: it was not open. */
  at(ms: number): DealNow | null {
    if (this.openedMs > ms || this.closedMs <= ms) return null;
    const told = this.told(ms);
    const amounts = told.filter((e) =>
      ['OpportunityOpened', 'DealAmountChanged', 'DealValueVerified'].includes(e.type),
    );
    const verified = amounts.findLastIndex((e) => e.type === 'DealValueVerified');
    const unverified = amounts[verified + 1];
    const amount = data(amounts.at(-1) as RecordedEvent);
    const dates = told.filter((e) => ['OpportunityOpened', 'DealCloseDateChanged'].includes(e.type));
    const dated = data(dates.at(-1) as RecordedEvent);
    const { holds, visits } = this.lead;
    return {
      stage: this.stages(ms).at(-1) as string,
      amountMinor: (amount.amount ?? amount.new).amountMinor,
      currency: data(this.opening).amount.currency,
      closeDate: dated.expectedCloseDate ?? dated.new,
      unverifiedMs: unverified === undefined ? 0 : ms - this.lead.timeOf(unverified),
      requalifying: visits.findLast(({ enteredMs }) => enteredMs <= ms)?.state === 'SQL',
      onHold: holds.some(({ endMs, sinceMs }) => sinceMs <= ms && ms < endMs),
    };
  }

  /** What it was won for: as the sale says, else as it was known to be worth. Null: nobody knows. */
  get wonFor(): { amountMinor: number; currency: string; rate: number | null } | null {
    const own = data(this.closing as RecordedEvent).amount;
    const before = this.told(Infinity).slice(0, this.told(Infinity).indexOf(this.closing as RecordedEvent));
    const known = before
      .map((e): Any => (e.type === 'DealAmountChanged' ? data(e).new : data(e).amount))
      .filter(Boolean);
    const amount = own ?? known.at(-1) ?? null;
    if (amount === null) return null;
    const rate = Number(data(this.closing as RecordedEvent).fxRateToReporting ?? 1);
    // 1 is what a sale records that nobody gave a rate.
    return { ...amount, rate: rate === 1 ? null : rate };
  }

  /** Its stays in deal stages by an instant. */
  stays(ms: number): Stay[] {
    const marks = this.told(ms)
      .flatMap((e) => {
        const stage = data(e).dealStage ?? (e.type === 'DealStageChanged' ? data(e).to : null);
        if (e.type === 'OpportunityReturnedToQualification')
          return [{ atMs: this.lead.timeOf(e), name: 'requalifying' }];
        return stage === null ? [] : [{ atMs: this.lead.timeOf(e), name: stage as string }];
      })
      .sort((a, b) => a.atMs - b.atMs);
    if (this.closedMs <= ms) marks.push({ atMs: this.closedMs, name: this.kind as string });
    return marks.flatMap(({ atMs, name }, index) => {
      if (['requalifying', 'won', 'lost', 'recycled'].includes(name)) return [];
      const next = marks[index + 1];
      return [{ stage: name, enteredMs: atMs, exitedMs: next?.atMs ?? null, exit: next?.name ?? null }];
    });
  }
}

const CLOSINGS: ReadonlySet<string> = new Set(['DealWon', 'DealLost', 'RecycledNotReady']);
const dealOf = (e: RecordedEvent): string => data(e).dealId ?? data(e).closedDealId;

export function dealsOf(lead: OracleLead): ToldDeal[] {
  const deals: ToldDeal[] = [];
  for (const { event } of lead.visits) {
    const known = deals.some(({ dealId }) => dealId === dealOf(event));
    const ends = CLOSINGS.has(event.type) && dealOf(event) !== undefined && !known;
    if (event.type === 'OpportunityOpened' || ends) deals.push(new ToldDeal(lead, event));
  }
  return deals;
}
