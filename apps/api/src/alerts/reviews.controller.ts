import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import {
  ALIGNMENT_ID,
  decidedLeads,
  type Review,
  type ReviewCommand,
  reviewCommandSchemas,
  reviewNotFound,
} from '#libs/alert/src/review.js';
import type { CommandOutcome } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { toIso } from '#libs/platform/src/clock.js';
import { requireRole } from '#libs/platform/src/roles.js';
import { parsed, ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller } from '../caller.js';
import { commandIdOf } from '../leads/command-headers.js';
import { Policies } from '../policies.js';
import { Figures } from '../reports/figures.js';
import { Alerts } from './alerts.js';

/** Who plans, works and ends reviews and holds meetings. */
export const REVIEW_ROLES = ['sales', 'sdr', 'sales_manager', 'marketing', 'ops'] as const;
export const reviewsQuery = z.strictObject({
  teamId: z.string().max(128).optional(),
  status: z.enum(['scheduled', 'completed']).optional(),
});
const nothing = z.strictObject({});

/** Pipeline reviews (EP-15): every stale lead of the team is decided about before a review is complete. */
@Controller('v1/reviews')
export class ReviewsController {
  constructor(
    private readonly alerts: Alerts,
    private readonly figures: Figures,
    private readonly policies: Policies,
  ) {}

  @Post()
  async schedule(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
  ): Promise<object> {
    const fields = parsed(reviewCommandSchemas.ScheduleReview, body ?? {});
    requireRole(actor, REVIEW_ROLES);
    await this.policies.catchUp();
    const commandId = commandIdOf(key);
    const reviewId = fields.reviewId ?? derivedId('review', commandId);
    return this.#act(reviewId, { name: 'ScheduleReview', body: fields }, actor, commandId, []);
  }

  @Get()
  async list(@Query(new ZodPipe(reviewsQuery)) query: z.output<typeof reviewsQuery>): Promise<object> {
    await this.alerts.catchUp();
    const { status, teamId } = query;
    const wanted = (review: Review): boolean =>
      (status === undefined || review.status === status) && (teamId === undefined || review.teamId === teamId);
    return { position: this.alerts.position, items: this.alerts.reviews.all().filter(wanted).map(cardOf) };
  }

  /** With what there is to decide: the stale leads, and where to read what has happened since the review before. */
  @Get(':reviewId')
  async read(@Param('reviewId') reviewId: string, @Query(new ZodPipe(nothing)) _: object): Promise<object> {
    const review = await this.#known(reviewId);
    const teamId = review.teamId as string;
    const lastMs = this.alerts.reviews.lastCompletedMs(teamId);
    const about = new URLSearchParams({ 'filter[team]': teamId });
    const since = new URLSearchParams({ from: toIso(lastMs ?? 0), 'filter[team]': teamId });
    const decided = decidedLeads(review);
    const stale =
      review.status === 'completed'
        ? []
        : (await this.figures.ask('staleItems', { 'filter[team]': teamId, limit: '1000' })).map((item) => ({
            ...item,
            decided: decided.has(item.leadId),
          }));
    return {
      ...cardOf(review),
      agenda: {
        /** When the review before this one was completed. */
        since: lastMs === null ? null : toIso(lastMs),
        stale,
        moved: `/v1/reports/flow?${since.toString()}`,
        closed: `/v1/reports/win-rate?${since.toString()}`,
        unverified: `/v1/reports/forecast?${about.toString()}`,
      },
    };
  }

  @Post(':reviewId/findings')
  async record(
    @Param('reviewId') reviewId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
  ): Promise<object> {
    const fields = parsed(reviewCommandSchemas.RecordFinding, body ?? {});
    requireRole(actor, REVIEW_ROLES);
    await this.#known(reviewId);
    return this.#act(reviewId, { name: 'RecordFinding', body: fields }, actor, commandIdOf(key), []);
  }

  @Post(':reviewId/complete')
  @HttpCode(200)
  async complete(
    @Param('reviewId') reviewId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
  ): Promise<object> {
    const fields = parsed(reviewCommandSchemas.CompleteReview, body ?? {});
    requireRole(actor, REVIEW_ROLES);
    const { teamId } = await this.#known(reviewId);
    const stale = await this.figures.ask('staleLeads', { 'filter[team]': teamId as string });
    return this.#act(reviewId, { name: 'CompleteReview', body: fields }, actor, commandIdOf(key), stale ?? []);
  }

  async #known(reviewId: string): Promise<Review> {
    await this.alerts.catchUp();
    const review = this.alerts.reviews.get(reviewId);
    if (review.status === null) throw reviewNotFound(reviewId);
    return review;
  }

  async #act(
    reviewId: string,
    command: ReviewCommand,
    actor: Actor,
    commandId: string,
    stale: readonly string[],
  ): Promise<object> {
    const knowsTeam = (teamId: string): boolean => this.policies.book.team(teamId) !== null;
    const outcome = await this.alerts.review(reviewId, command, actor, commandId, { knowsTeam, staleLeads: stale });
    return { ...answerOf(outcome), ...cardOf(outcome.state) };
  }
}

/** Where marketing and sales look at their agreement together; a meeting overdue is an alert. */
@Controller('v1/alignment-meetings')
export class AlignmentMeetingsController {
  constructor(private readonly alerts: Alerts) {}

  @Post()
  async hold(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
  ): Promise<object> {
    const fields = parsed(reviewCommandSchemas.HoldAlignmentMeeting, body ?? {});
    requireRole(actor, REVIEW_ROLES);
    const outcome = await this.alerts.review(
      ALIGNMENT_ID,
      { name: 'HoldAlignmentMeeting', body: fields },
      actor,
      commandIdOf(key),
      { knowsTeam: () => true, staleLeads: [] },
    );
    return { ...answerOf(outcome), ...outcome.state.meetings.at(-1) };
  }

  @Get()
  async list(@Query(new ZodPipe(nothing)) _: object): Promise<object> {
    await this.alerts.catchUp();
    return { position: this.alerts.position, items: this.alerts.reviews.meetings() };
  }
}

const answerOf = ({ events, position, replayed, revision }: CommandOutcome<Review>) => ({
  revision,
  position,
  events,
  replayed,
});

const cardOf = ({ at, completed, findings, reviewId, status, teamId }: Review) => ({
  reviewId,
  teamId,
  status,
  at,
  findings: findings.map(({ occurredAt, ...finding }) => ({ recordedAt: occurredAt, ...finding })),
  completed,
});
