import type { EventLog, LogFilter, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import type { RoutingDesk } from '#libs/lead/src/routing-desk.js';
import { weekStartMs } from '#libs/lead/src/routing.js';

export interface RepLoadsOptions {
  readonly log: EventLog;
  readonly nowMs: () => number;
  /** Owners of the account's leads, the last changed first. Absent: nobody looks after an account. */
  readonly accountOwners?: (accountId: string) => Promise<readonly string[]>;
}

const GIVEN: LogFilter = { streamPrefixes: ['lead-'], eventTypes: ['OwnerAssigned', 'HandedOffToSales'] };
const PAGE = 1000;

/**
 * Who was given how many leads this week, folded from the log: what routing shares them out by (spec §9.8). Read up to the log's
 * end before each decision that asks; what this process is about to write counts at once, so that leads that come at the same
 * moment do not all go to one person.
 */
export class RepLoads {
  /** Whose a lead of this week became last, by lead. */
  readonly #given = new Map<string, string>();
  readonly #loads = new Map<string, { leads: number; lastMs: number }>();
  #weekMs = Number.NEGATIVE_INFINITY;
  #readTo: Position | null = null;
  #reading: Promise<void> | null = null;

  constructor(private readonly options: RepLoadsOptions) {}

  /** Errors: EventLogError. */
  async desk(accountId: string | null): Promise<RoutingDesk> {
    const [accountOwnerIds] = await Promise.all([this.#accountOwners(accountId), this.#catchUp()]);
    return { accountOwnerIds, load: (repId, sinceMs) => this.#load(repId, sinceMs) };
  }

  /** Told before the append; if that one fails, the next fact about the lead sets it right. */
  expect(leadId: string, events: readonly LeadEvent[]): void {
    // Nobody has asked yet: there is no routing.
    if (this.#readTo === null) return;
    for (const { data, type } of events) {
      if (type !== 'OwnerAssigned' && type !== 'HandedOffToSales') continue;
      if (data.ownerId !== undefined) this.#give(leadId, data.ownerId, Date.parse(data.occurredAt));
    }
  }

  /** Asked about another week than the one at hand, as at midnight: nobody has had anything yet. */
  #load(repId: string, sinceMs: number): { leads: number; lastMs: number } {
    const load = sinceMs === this.#weekMs ? this.#loads.get(repId) : undefined;
    return load ?? { leads: 0, lastMs: Number.NEGATIVE_INFINITY };
  }

  /** Without the read models nobody is known to look after the account: routing goes by its next rule. */
  async #accountOwners(accountId: string | null): Promise<readonly string[]> {
    const { accountOwners } = this.options;
    if (accountId === null || accountOwners === undefined) return [];
    return accountOwners(accountId).catch(() => []);
  }

  #catchUp(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { log, nowMs } = this.options;
    const weekMs = weekStartMs(nowMs());
    if (weekMs !== this.#weekMs) {
      this.#given.clear();
      this.#loads.clear();
      this.#weekMs = weekMs;
    }
    const isFirst = this.#readTo === null;
    // Read first: what comes while the pages are read is found from here on.
    const head = await log.head();
    if (head === null) return;
    if (isFirst) await this.#readBack(weekMs);
    else {
      for (let after = this.#readTo as Position; ;) {
        const { events, next } = await log.readAll({ after, filter: GIVEN, limit: PAGE });
        for (const event of events) this.#fold(event);
        if (next === null) break;
        after = next;
      }
    }
    this.#readTo = head;
  }

  /** From the end to the beginning of the week, and then folded in the order of the log. */
  async #readBack(weekMs: number): Promise<void> {
    const found: RecordedEvent[] = [];
    for (let after: Position | undefined; ;) {
      const page = await this.options.log.readAll({
        ...(after === undefined ? {} : { after }),
        direction: 'backwards',
        filter: GIVEN,
        limit: PAGE,
      });
      found.push(...page.events);
      const last = page.events.at(-1);
      if (page.next === null || (last !== undefined && effectiveRecordedAtMs(last) < weekMs)) break;
      after = page.next;
    }
    for (const event of found.toReversed()) this.#fold(event);
  }

  #fold({ data, stream }: RecordedEvent): void {
    const { occurredAt, ownerId } = data as { occurredAt: string; ownerId?: string };
    if (ownerId !== undefined) this.#give(stream.slice('lead-'.length), ownerId, Date.parse(occurredAt));
  }

  #give(leadId: string, repId: string, atMs: number): void {
    if (atMs < this.#weekMs) return;
    const before = this.#given.get(leadId);
    if (before === repId) return;
    const taken = before === undefined ? undefined : this.#loads.get(before);
    if (taken !== undefined) taken.leads -= 1;
    this.#given.set(leadId, repId);
    const load = this.#loads.get(repId);
    // Whose turn it was stays so when the lead is taken away again.
    if (load === undefined) this.#loads.set(repId, { leads: 1, lastMs: atMs });
    else {
      load.leads += 1;
      load.lastMs = Math.max(load.lastMs, atMs);
    }
  }
}
