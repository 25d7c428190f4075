import { CampaignBook } from '#libs/account/src/campaign.js';
import type { EventLog, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { CONFIGURATION, SEED_COMMAND_ID } from '../policies.js';

const PAGE = 1_000;
/** Books are folded in no time, but compile their calendars anew. */
const HELD = 8;

export interface PoliciesOfThen {
  readonly book: PolicyBook;
  readonly campaigns: CampaignBook;
}

/**
 * The configuration as it was known at an earlier instant (spec §8.3): of its events those that had been recorded by then. What every
 * ledger begins with counts as known since ever.
 */
export class PastPolicies {
  readonly #events: RecordedEvent[] = [];
  /** By the number of events that are in; least recently asked first. */
  readonly #held = new Map<number, PoliciesOfThen>();
  #scannedTo: Position | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(private readonly log: EventLog) {}

  /** Errors: EventLogError. */
  async knownAt(knownAtMs: number): Promise<PoliciesOfThen> {
    this.#reading = this.#reading.then(
      () => this.#readOn(),
      () => this.#readOn(),
    );
    await this.#reading;
    const known = this.#events.filter(
      (event) => effectiveRecordedAtMs(event) <= knownAtMs || event.metadata.commandId === SEED_COMMAND_ID,
    );
    const policies = this.#held.get(known.length) ?? folded(known);
    this.#held.delete(known.length);
    this.#held.set(known.length, policies);
    for (const oldest of [...this.#held.keys()].slice(0, -HELD)) this.#held.delete(oldest);
    return policies;
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const after = this.#scannedTo === null ? {} : { after: this.#scannedTo };
      const page = await this.log.readAll({ ...after, filter: CONFIGURATION, limit: PAGE });
      this.#events.push(...page.events);
      this.#scannedTo = page.next ?? page.events.at(-1)?.position ?? this.#scannedTo;
      if (page.next === null) return;
    }
  }
}

function folded(events: readonly RecordedEvent[]): PoliciesOfThen {
  const book = new PolicyBook();
  const campaigns = new CampaignBook();
  for (const event of events) {
    try {
      book.apply(event);
      campaigns.apply(event);
    } catch {
      // It was passed over when it came, too, and told then.
    }
  }
  return { book, campaigns };
}
