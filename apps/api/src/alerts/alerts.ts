import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  acknowledgeAlert,
  type Alert,
  type AlertEvent,
  alertEventSchemas,
  type AlertFinding,
  evolveAlert,
  initialAlert,
  isStanding,
  judgeAlert,
} from '#libs/alert/src/alert.js';
import { ALERT_PREFIX, AlertBook } from '#libs/alert/src/alert-book.js';
import {
  ALIGNMENT_ID,
  decideReview,
  evolveReview,
  initialReview,
  type Review,
  REVIEW_PREFIX,
  ReviewBook,
  type ReviewCommand,
  type ReviewContext,
  type ReviewEvent,
  reviewEventSchemas,
} from '#libs/alert/src/review.js';
import type { EventLog, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { CommandError, type CommandOutcome } from '#libs/event-log/src/handle-command.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { PlainStreams } from '../accounts/plain-streams.js';
import { hashOfCommand } from '../commands/canonical-json.js';

/** Who raises and clears. */
const WATCH: Actor = { type: 'system', id: 'system:alerts', role: 'system', teams: [] };
const FILTER = { streamPrefixes: [ALERT_PREFIX, REVIEW_PREFIX] };
const LEADS = { streamPrefixes: ['lead-'] };
const PAGE = 1000;

/**
 * Alerts and reviews as their streams tell them (spec §4.3, §8.5). Whoever asks reads on first, so a process needs no
 * subscription of its own. Errors: EventLogError.
 */
@Injectable()
export class Alerts {
  readonly book = new AlertBook();
  readonly reviews = new ReviewBook();
  readonly #alerts: PlainStreams<Alert, AlertEvent>;
  readonly #reviews: PlainStreams<Review, ReviewEvent>;
  #position: Position | undefined;
  #reading: Promise<void> = Promise.resolve();
  #beganMs: number | null = null;

  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SETTINGS) { testClock }: Pick<Settings, 'testClock'>,
  ) {
    const common = { log, clock, testClock };
    this.#alerts = new PlainStreams({
      ...common,
      prefix: ALERT_PREFIX,
      schemas: alertEventSchemas,
      initial: initialAlert,
      evolve: evolveAlert,
    });
    this.#reviews = new PlainStreams({
      ...common,
      prefix: REVIEW_PREFIX,
      schemas: reviewEventSchemas,
      initial: initialReview,
      evolve: evolveReview,
    });
  }

  /** How far the log was read; null: it was empty. */
  get position(): Position | null {
    return this.#position ?? null;
  }

  /** Both books as far as the log has them now. */
  catchUp(): Promise<void> {
    const reading = this.#reading.then(
      () => this.#readOn(),
      () => this.#readOn(),
    );
    this.#reading = reading;
    return reading;
  }

  /** When the first lead was recorded here; null: none was. Before that there was nothing to review. */
  async beganMs(): Promise<number | null> {
    if (this.#beganMs === null) {
      const { events } = await this.log.readAll({ filter: LEADS, limit: 1 });
      const [first] = events;
      if (first !== undefined) this.#beganMs = effectiveRecordedAtMs(first);
    }
    return this.#beganMs;
  }

  /**
   * Raises or clears what a finding says, if the alert still is at the revision that was seen before the figures were read: of
   * two that judge at once one writes. How many events were written. A finding of null: nobody found the condition any more.
   */
  async judge(key: string, finding: AlertFinding | null, seenRevision: number): Promise<number> {
    const nowMs = this.clock.nowMs();
    if ((finding?.failing === true) === isStanding(this.book.get(key))) return 0;
    const origin = {
      commandId: randomUUID(),
      commandHash: hashOfCommand('JudgeAlert', key, {}),
      actor: WATCH,
      source: { system: 'worker' },
    };
    try {
      const outcome = await this.#alerts.handle(key, origin, seenRevision, (alert) =>
        judgeAlert(alert, finding, nowMs),
      );
      return outcome.events.length;
    } catch (error) {
      // Another one has judged it meanwhile; the next round sees what that made of it.
      if (error instanceof CommandError && error.code === 'CONFLICT') return 0;
      throw error;
    }
  }

  /** Errors: LeadError ALERT_NOT_FOUND, ALERT_CLEARED; CommandError. */
  async acknowledge(
    key: string,
    body: { readonly note?: string | undefined },
    by: Actor,
    commandId: string,
  ): Promise<CommandOutcome<Alert>> {
    const origin = {
      commandId,
      commandHash: hashOfCommand('AcknowledgeAlert', key, body),
      actor: by,
      source: { system: 'api' },
    };
    const outcome = await this.#alerts.handle(key, origin, undefined, (alert) =>
      acknowledgeAlert(alert, by.id, body.note, this.clock.nowMs()),
    );
    await this.catchUp();
    return outcome;
  }

  /** Errors: those of `decideReview`; CommandError. `reviewId` of alignment meetings is theirs. */
  async review(
    reviewId: string,
    command: ReviewCommand,
    by: Actor,
    commandId: string,
    context: Pick<ReviewContext, 'knowsTeam' | 'staleLeads'>,
  ): Promise<CommandOutcome<Review>> {
    const id = command.name === 'HoldAlignmentMeeting' ? ALIGNMENT_ID : reviewId;
    const origin = {
      commandId,
      commandHash: hashOfCommand(command.name, id, command.body),
      actor: by,
      source: { system: 'api' },
    };
    const outcome = await this.#reviews.handle(id, origin, undefined, (review) =>
      decideReview(review, command, { ...context, nowMs: this.clock.nowMs(), by: by.id }),
    );
    await this.catchUp();
    return outcome;
  }

  async #readOn(): Promise<void> {
    const head = await this.log.head();
    for (;;) {
      const after = this.#position === undefined ? {} : { after: this.#position };
      const page = await this.log.readAll({ ...after, filter: FILTER, limit: PAGE });
      for (const event of page.events) this.#apply(event);
      if (page.next === null) break;
      this.#moveTo(page.next);
    }
    this.#moveTo(head);
  }

  #apply(event: RecordedEvent): void {
    if (this.#position !== undefined && event.position <= this.#position) return;
    try {
      this.book.apply(event);
      this.reviews.apply(event);
    } catch (error) {
      this.logger.error({ err: error, stream: event.stream, revision: event.revision }, 'an alert event is broken');
    }
    this.#moveTo(event.position);
  }

  #moveTo(position: Position | null): void {
    if (position !== null && (this.#position === undefined || position > this.#position)) this.#position = position;
  }
}
