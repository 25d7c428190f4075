import type { LeadStateName } from '#libs/lead/src/states.js';
import { BusinessCalendar } from '#libs/policy/src/business-calendar.js';
import { calendars, CAMPAIGNS, type Campaign, type Office, type Seller, SELLERS } from './company.js';
import { company, type Company } from './people.js';
import type { Random } from './random.js';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** What `from` and `to` of people and campaigns are shares of. */
export const TWO_YEARS_MS = 730 * DAY_MS;

/** What all lives share: the time line, the offices' hours, and who knows whom. */
export class World {
  readonly random: Random;
  /** Leads that a seller works on. */
  readonly owned = new Map<string, Set<string>>();
  /** Leads about which nothing has happened for too long, as the ledger says. */
  readonly stale = new Map<string, { readonly teamId: string; readonly state: LeadStateName }>();
  /** Where each lead stands, also after what others did to it; empty in the present. */
  readonly states = new Map<string, LeadStateName>();
  readonly leadsOfAccount = new Map<string, string[]>();
  #companies: Company[] = [];
  #registered = new Set<string>();
  #people: number;
  #companyCount: number;
  #presentMs: (() => number) | null = null;
  readonly #hours: Readonly<Record<string, BusinessCalendar>>;

  constructor(
    random: Random,
    readonly fromMs: number,
    /** People and companies are numbered on from here: numbers below were given away before. */
    numbersFrom = 0,
  ) {
    this.#people = numbersFrom;
    this.#companyCount = numbersFrom;
    this.random = random.fork('world');
    this.#hours = Object.fromEntries(
      Object.entries(calendars(this.years)).map(([id, document]) => [id, new BusinessCalendar(id, 1, document)]),
    );
  }

  /** With the year ahead. */
  get years(): number[] {
    const first = new Date(this.fromMs).getUTCFullYear();
    return [0, 1, 2, 3].map((n) => first + n);
  }

  /** From now on what is told happens at once, whatever time its life has it. */
  bePresent(nowMs: () => number): void {
    this.#presentMs = nowMs;
    this.states.clear();
  }

  get isPresent(): boolean {
    return this.#presentMs !== null;
  }

  /** So many days ahead of what happens. */
  ahead(atMs: number, days: number): number {
    return (this.#presentMs?.() ?? atMs) + days * DAY_MS;
  }

  share(atMs: number): number {
    return (atMs - this.fromMs) / TWO_YEARS_MS;
  }

  /** A quarter in which little went well. */
  isBad(atMs: number): boolean {
    const share = this.share(atMs);
    return share >= 0.5 && share < 0.625;
  }

  /** After so much of the office's time. */
  afterOffice(office: Office, fromMs: number, hours: number): number {
    return this.#hours[`office-${office}`]!.dueAfterMs(fromMs, Math.max(60_000, Math.round(hours * HOUR_MS)));
  }

  /** After so much time of working days, around the clock. */
  afterWeekdays(office: Office, fromMs: number, hours: number): number {
    return this.#hours[`weekdays-${office}`]!.dueAfterMs(fromMs, Math.max(60_000, Math.round(hours * HOUR_MS)));
  }

  sellers(office: Office, atMs: number): Seller[] {
    const share = this.share(atMs);
    return SELLERS.filter((one) => one.office === office && one.from <= share && share < one.to - 0.01);
  }

  /** Whoever has the least to do for the capacity. */
  freeSeller(office: Office, atMs: number): Seller {
    const load = (one: Seller) => (this.owned.get(one.repId)?.size ?? 0) / one.weeklyLeadCapacity;
    return this.sellers(office, atMs).toSorted((a, b) => load(a) - load(b))[0]!;
  }

  staleOf(team: string): { readonly leadId: string; readonly state: LeadStateName }[] {
    return [...this.stale].flatMap(([leadId, { state, teamId }]) => (teamId === team ? { leadId, state } : []));
  }

  own(repId: string, leadId: string): void {
    const leads = this.owned.get(repId) ?? new Set();
    this.owned.set(repId, leads.add(leadId));
  }

  disown(repId: string, leadId: string): void {
    this.owned.get(repId)?.delete(leadId);
  }

  running(atMs: number): Campaign[] {
    const share = this.share(atMs);
    return CAMPAIGNS.filter((one) => one.from + 0.001 <= share && share < one.to);
  }

  /** Now and then one that is known already. */
  someCompany(random: Random): Company {
    if (this.#companies.length > 20 && random.chance(0.42)) return random.pick(this.#companies);
    const made = company(random, ++this.#companyCount);
    this.#companies.push(made);
    return made;
  }

  nextPerson(): number {
    return ++this.#people;
  }

  /** True once for each company. */
  mustRegister({ accountId }: Company): boolean {
    if (this.#registered.has(accountId)) return false;
    this.#registered.add(accountId);
    return true;
  }

  atCompany(accountId: string, leadId: string): void {
    const leads = this.leadsOfAccount.get(accountId) ?? [];
    leads.push(leadId);
    this.leadsOfAccount.set(accountId, leads);
  }

  /** Two that turned out to be one: nobody comes from the one any more, all its people are the other's. */
  joinCompanies(accountId: string, survivorId: string): void {
    this.#companies = this.#companies.filter((one) => one.accountId !== accountId);
    for (const leadId of this.leadsOfAccount.get(accountId) ?? []) this.atCompany(survivorId, leadId);
  }

  knownCompanies(): readonly Company[] {
    return this.#companies;
  }
}

export const iso = (ms: number): string => new Date(Math.round(ms)).toISOString();
export const isoDate = (ms: number): string => iso(ms).slice(0, 10);
