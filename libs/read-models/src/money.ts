import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { DealPast } from './deals.js';
import type { Money } from './lead-row.js';
import { invalidParameter } from './report-error.js';
import type { ReportParams } from './report-params.js';
import { PPM, ppm } from './stage-policies.js';
import { absorb, type Tally } from './tally.js';

/** Half-up share of two integers, exact. */
export function share(numerator: bigint, denominator: bigint): number {
  const doubled = 2n * numerator + denominator;
  const floor = doubled / (2n * denominator);
  return Number(doubled < 0n && doubled % (2n * denominator) !== 0n ? floor - 1n : floor);
}

/** Smallest whole number that is not below numerator / denominator; null on a zero denominator. */
export function ceiling(numerator: bigint, denominator: bigint): number | null {
  if (denominator <= 0n) return null;
  return Number((numerator + denominator - 1n) / denominator);
}

const converted = (amountMinor: number, ratePpm: number): number =>
  ratePpm === PPM ? amountMinor : share(BigInt(amountMinor) * BigInt(ratePpm), BigInt(PPM));

/**
 * Amounts in the reporting currency (spec §9.10): a sale by the rate stored at its close, an open deal by the report date's,
 * benchmark `fx_rate.<currency>`. What has no rate stays in its own currency: figures never add two currencies.
 */
export class Exchange {
  constructor(
    private readonly policies: PolicyBook,
    /** Null: nobody has said which it is, so every amount stays as it is. */
    readonly reporting: string | null,
    private readonly atMs: number,
  ) {}

  open(amountMinor: number, currency: string | null): Money {
    // Imported deals may name none.
    const own = currency ?? this.reporting ?? NONE;
    if (this.reporting === null || own === this.reporting) return { amountMinor, currency: own };
    const rate = this.policies.benchmark('fx_rate', own, this.atMs);
    if (rate === null) return { amountMinor, currency: own };
    return { amountMinor: converted(amountMinor, ppm(rate)), currency: this.reporting };
  }

  /** Whether `won` depends on a rate of the report date. */
  isDated({ closingAmount, fxPpm }: DealPast): boolean {
    if (closingAmount === null || this.reporting === null) return false;
    return closingAmount.currency !== this.reporting && fxPpm === PPM;
  }

  /** Null when history gives the sale no amount. */
  won(deal: DealPast): Money | null {
    const amount = deal.closingAmount;
    if (amount === null || this.reporting === null || amount.currency === this.reporting) return amount;
    if (deal.fxPpm === PPM) return this.open(amount.amountMinor, amount.currency);
    return { amountMinor: converted(amount.amountMinor, deal.fxPpm), currency: this.reporting };
  }
}

/** ISO 4217: XXX stands for no currency. */
const NONE = 'XXX';

/** Parameter `currency`, else `usual`; `XXX` asks for every amount in its own. Throws `VALIDATION_FAILED`. */
export function reportingCurrency({ choices }: ReportParams, usual: string | null): string | null {
  if (choices.currency === undefined) return usual;
  if (choices.currency === NONE) return null;
  if (!/^[A-Z]{3}$/.test(choices.currency)) throw invalidParameter('currency', 'three capital letters (ISO 4217)');
  return choices.currency;
}

/** A part of the question, for links: in the currency of the whole, whatever target is set for the part. */
export const keepCurrency = (params: ReportParams, reporting: string | null): ReportParams => ({
  ...params,
  choices: { ...params.choices, currency: reporting ?? NONE },
});

/** Sum of amounts weighted by their chance of being won, exact until it is rounded once at the end. */
export class Weighted implements Tally {
  deals = 0;
  amountMinor = 0;
  readonly #byPpm = new Map<number, number>();

  add(amountMinor: number, probabilityPpm: number): void {
    this.deals += 1;
    this.amountMinor += amountMinor;
    this.#byPpm.set(probabilityPpm, (this.#byPpm.get(probabilityPpm) ?? 0) + amountMinor);
  }

  absorb(other: Weighted): void {
    this.deals += other.deals;
    this.amountMinor += other.amountMinor;
    absorb(this.#byPpm, other.#byPpm);
  }

  /** Minor units, half-up. */
  weightedMinor(factorPpm: number): number {
    let sum = 0n;
    for (const [probability, amount] of this.#byPpm) sum += BigInt(amount) * BigInt(probability);
    return share(sum * BigInt(factorPpm), BigInt(PPM) * BigInt(PPM));
  }
}
