import { setTimeout as sleep } from 'node:timers/promises';
import {
  type EventLog,
  EventLogError,
  type LogFilter,
  type NewEvent,
  type Position,
  type RecordedEvent,
} from '#libs/event-log/src/event-log.js';
import { eventId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import { CampaignBook } from '#libs/account/src/campaign.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { defaultScoringEvents } from '#libs/scoring/src/default-model.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';

/** The streams that hold configuration (spec §2.2). */
export const CONFIGURATION: LogFilter = {
  streamPrefixes: [
    'calendar-',
    'agreement-',
    'scoringmodel-',
    'pipeline-',
    'icp-',
    'campaign-',
    'persona-',
    'team-',
    'rep-',
    'target-',
  ],
};
/** Of the default model's events among those of the seed: apart, so that other defaults may be added. */
const FIRST_MODEL_ORDINAL = 1_000_000;
/** Command id of the first configuration: the same in every process, so that two first starts write the same events. */
export const SEED_COMMAND_ID = '5eed0000-1ead-5000-8000-1ed9e7000001';
const PAGE = 1000;
const RETRY_MS = 1000;

export interface PoliciesOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Puts the clock's time into the events, where the store's own would be the wrong one. */
  readonly testClock?: boolean;
  /** A configuration event that cannot be read; the others stay in force. */
  onBroken?(event: RecordedEvent, error: unknown): void;
}

/**
 * The configuration in force, folded from its streams: `load` once before the first command, `follow` for as long as the
 * process lives. At the first start ever it writes the default configuration.
 */
export class Policies {
  readonly book = new PolicyBook();
  readonly models = new ModelBook();
  /** Few, and asked by every capture that names one. */
  readonly campaigns = new CampaignBook();
  readonly #streams = new Set<string>();
  #position: Position | undefined;
  #changedAt: Position | null = null;

  constructor(private readonly options: PoliciesOptions) {}

  /** Folds what the log has; seeds the defaults where their streams do not exist. Errors: EventLogError. */
  async load(): Promise<void> {
    await this.#readOn();
    if (await this.#seed()) await this.#readOn();
  }

  /** Of the last configuration event that is folded. */
  get changedAt(): Position | null {
    return this.#changedAt;
  }

  /** Folds on where a configuration event up to there is not yet in: for who is asked under what somebody else has seen. */
  async reach(changedAt: Position | null): Promise<void> {
    if (changedAt !== null && (this.#changedAt === null || this.#changedAt < changedAt)) await this.#readOn();
  }

  /** Folds what came since, for who has just changed the configuration and wants to work under it. */
  catchUp(): Promise<void> {
    return this.#readOn();
  }

  /** Keeps the book up to date until the signal aborts; an unreachable log is tried again. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const after = this.#position === undefined ? {} : { after: this.#position };
        for await (const batch of this.options.log.subscribe({ ...after, filter: CONFIGURATION, signal })) {
          for (const event of batch.events) this.#apply(event);
          this.#moveTo(batch.scannedTo);
        }
        // A subscription that ends without an abort has lost the log.
        if (!signal.aborted) await pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EventLogError)) throw error;
        await pause(signal);
      }
    }
  }

  async #readOn(): Promise<void> {
    // Read first: all up to here is scanned below, so that `follow` need not scan a long log a second time.
    const head = await this.options.log.head();
    for (;;) {
      const after = this.#position === undefined ? {} : { after: this.#position };
      const page = await this.options.log.readAll({ ...after, filter: CONFIGURATION, limit: PAGE });
      for (const event of page.events) this.#apply(event);
      if (page.next === null) break;
      this.#moveTo(page.next);
    }
    this.#moveTo(head);
  }

  /** Events are met twice when `catchUp` and `follow` overlap: each counts once. */
  #apply(event: RecordedEvent): void {
    if (this.#position !== undefined && event.position <= this.#position) return;
    this.#streams.add(event.stream);
    try {
      this.book.apply(event);
      this.models.apply(event);
      this.campaigns.apply(event);
    } catch (error) {
      this.options.onBroken?.(event, error);
    }
    this.#position = event.position;
    this.#changedAt = event.position;
  }

  #moveTo(position: Position | null): void {
    if (position !== null && (this.#position === undefined || position > this.#position)) this.#position = position;
  }

  /** True when anything was appended or somebody else is appending it. */
  async #seed(): Promise<boolean> {
    const nowMs = this.options.clock.nowMs();
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId: SEED_COMMAND_ID,
      commandHash: '',
      $correlationId: SEED_COMMAND_ID,
      $causationId: SEED_COMMAND_ID,
      actor: { type: 'system', id: 'system:defaults', role: 'system' },
      source: { system: 'ledger' },
      tenantId: 'ledger',
      policyRefs: {},
      ...(this.options.testClock === true ? { recordedAt: toIso(nowMs) } : {}),
    };
    const streams = new Map<string, NewEvent[]>();
    const defaults = [
      ...defaultConfigEvents(nowMs).map((event, ordinal) => ({ ...event, ordinal })),
      ...defaultScoringEvents(nowMs).map((event, n) => ({ ...event, ordinal: FIRST_MODEL_ORDINAL + n })),
    ];
    for (const { stream, type, data, ordinal } of defaults) {
      if (this.#streams.has(stream)) continue;
      const event = { id: eventId(SEED_COMMAND_ID, ordinal), type, data: { ...data }, metadata: { ...metadata } };
      streams.set(stream, [...(streams.get(stream) ?? []), event]);
    }
    if (streams.size === 0) return false;
    const outcomes = await this.options.log.appendMany(
      Array.from(streams, ([stream, events]) => ({ stream, expectedRevision: 'no_stream' as const, events })),
    );
    for (const outcome of outcomes)
      if (outcome instanceof EventLogError && outcome.code !== 'WRONG_EXPECTED_REVISION') throw outcome;
    return true;
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await sleep(RETRY_MS, undefined, { signal });
  } catch {
    // Aborted: the caller looks.
  }
}
