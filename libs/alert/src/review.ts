import { z } from 'zod';
import { LeadError } from '#libs/lead/src/errors.js';
import { code, id, text, ts } from '#libs/lead/src/events.js';

/** Pipeline reviews and alignment meetings (spec §4.3 review, EP-15): events, fold, decisions, and the book of them all. */

const base = { occurredAt: ts };
export const FINDINGS = ['stale', 'value', 'data', 'blocker'] as const;
export const DECISIONS = ['remove', 're_engage', 'keep'] as const;
export const reviewEventSchemas = {
  ReviewScheduled: z.object({ ...base, teamId: id, at: ts }),
  ReviewFindingRecorded: z.object({
    ...base,
    leadId: id.optional(),
    finding: z.enum(FINDINGS),
    decision: z.enum(DECISIONS),
    by: id,
  }),
  ReviewCompleted: z.object({ ...base, itemsReviewed: z.int().min(0) }),
  AlignmentMeetingHeld: z.object({
    ...base,
    attendees: z.array(code).min(1).max(50),
    topics: z.array(text).max(50),
    agreementChangesProposed: z.int().min(0),
  }),
} as const;
export type ReviewEventType = keyof typeof reviewEventSchemas;
export type ReviewEventData<T extends ReviewEventType> = z.infer<(typeof reviewEventSchemas)[T]>;
export type ReviewEvent = {
  [T in ReviewEventType]: { readonly type: T; readonly data: ReviewEventData<T> };
}[ReviewEventType];
const isReviewEventType = (type: string): type is ReviewEventType => Object.hasOwn(reviewEventSchemas, type);

export interface Review {
  readonly reviewId: string;
  /** null: there is no such review. */
  readonly status: 'scheduled' | 'completed' | null;
  readonly teamId: string | null;
  readonly at: string | null;
  /** In the order recorded; the latest about a lead counts. */
  readonly findings: readonly ReviewEventData<'ReviewFindingRecorded'>[];
  readonly completed: { readonly at: string; readonly itemsReviewed: number } | null;
  /** Of the stream of alignment meetings. */
  readonly meetings: readonly ReviewEventData<'AlignmentMeetingHeld'>[];
}

export const initialReview = (reviewId: string): Review => ({
  reviewId,
  status: null,
  teamId: null,
  at: null,
  findings: [],
  completed: null,
  meetings: [],
});

/** Never throws and ignores types it does not know. */
export function evolveReview(review: Review, event: ReviewEvent): Review {
  switch (event.type) {
    case 'ReviewScheduled':
      return { ...review, status: 'scheduled', teamId: event.data.teamId, at: event.data.at };
    case 'ReviewFindingRecorded':
      return { ...review, findings: [...review.findings, event.data] };
    case 'ReviewCompleted': {
      const { itemsReviewed, occurredAt } = event.data;
      return { ...review, status: 'completed', completed: { at: occurredAt, itemsReviewed } };
    }
    case 'AlignmentMeetingHeld':
      return { ...review, meetings: [...review.meetings, event.data] };
    default:
      event satisfies never;
      return review;
  }
}

/** Leads that this review has decided about. */
export const decidedLeads = ({ findings }: Review): Set<string> =>
  new Set(findings.flatMap(({ leadId }) => leadId ?? []));

/** RFC 3339 with any offset; comes out as UTC with milliseconds. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString())
  .pipe(ts);
export const reviewCommandSchemas = {
  ScheduleReview: z.strictObject({
    reviewId: z.uuid().optional(),
    teamId: id,
    /** When it is to be held; default: now. */
    at: instant.optional(),
  }),
  RecordFinding: z.strictObject({
    leadId: z.uuid().optional(),
    finding: z.enum(FINDINGS),
    decision: z.enum(DECISIONS),
  }),
  CompleteReview: z.strictObject({}),
  HoldAlignmentMeeting: z.strictObject({
    /** Default: now; never in the future. */
    occurredAt: instant.optional(),
    attendees: reviewEventSchemas.AlignmentMeetingHeld.shape.attendees,
    topics: reviewEventSchemas.AlignmentMeetingHeld.shape.topics.default([]),
    agreementChangesProposed: z.int().min(0).default(0),
  }),
} as const;
export type ReviewCommand = {
  [N in keyof typeof reviewCommandSchemas]: {
    readonly name: N;
    readonly body: z.output<(typeof reviewCommandSchemas)[N]>;
  };
}[keyof typeof reviewCommandSchemas];

export interface ReviewContext {
  readonly nowMs: number;
  readonly by: string;
  /** Whether the team of a ScheduleReview is there. */
  readonly knowsTeam: (teamId: string) => boolean;
  /** Of a CompleteReview: the team's stale leads, which it has to decide about. */
  readonly staleLeads: readonly string[];
}

const FUTURE_MS = 300_000;
const MOST_NAMED = 100;

/**
 * Pure. @throws LeadError REVIEW_NOT_FOUND, REVIEW_EXISTS, UNKNOWN_TEAM, INVALID_TRANSITION, REVIEW_INCOMPLETE, OCCURRED_IN_FUTURE
 */
export function decideReview(review: Review, command: ReviewCommand, context: ReviewContext): ReviewEvent[] {
  const { reviewId, status } = review;
  const occurredAt = new Date(context.nowMs).toISOString();
  switch (command.name) {
    case 'ScheduleReview': {
      const { at = occurredAt, teamId } = command.body;
      if (status !== null) throw new LeadError('REVIEW_EXISTS', `there is a review ${reviewId}`, { reviewId });
      if (!context.knowsTeam(teamId))
        throw new LeadError('UNKNOWN_TEAM', `there is no team ${teamId}`, { field: 'teamId' });
      return [{ type: 'ReviewScheduled', data: { occurredAt, teamId, at } }];
    }
    case 'RecordFinding': {
      requireScheduled(review, command.name);
      const { leadId, ...said } = command.body;
      const about = leadId === undefined ? {} : { leadId };
      return [{ type: 'ReviewFindingRecorded', data: { occurredAt, ...said, by: context.by, ...about } }];
    }
    case 'CompleteReview': {
      requireScheduled(review, command.name);
      const decided = decidedLeads(review);
      const undecided = context.staleLeads.filter((leadId) => !decided.has(leadId));
      if (undecided.length > 0)
        throw new LeadError('REVIEW_INCOMPLETE', `${undecided.length} stale leads have no decision yet`, {
          undecidedCount: undecided.length,
          undecided: undecided.slice(0, MOST_NAMED),
        });
      return [{ type: 'ReviewCompleted', data: { occurredAt, itemsReviewed: review.findings.length } }];
    }
    case 'HoldAlignmentMeeting': {
      const { occurredAt: heldAt = occurredAt, ...meeting } = command.body;
      if (Date.parse(heldAt) > context.nowMs + FUTURE_MS)
        throw new LeadError('OCCURRED_IN_FUTURE', 'the meeting lies in the future', { field: 'occurredAt' });
      return [{ type: 'AlignmentMeetingHeld', data: { occurredAt: heldAt, ...meeting } }];
    }
  }
}

function requireScheduled({ reviewId, status }: Review, command: string): void {
  if (status === null) throw reviewNotFound(reviewId);
  if (status === 'completed')
    throw new LeadError('INVALID_TRANSITION', `${command} is not possible once completed`, {
      from: status,
      command,
      allowed: [],
    });
}

export const reviewNotFound = (reviewId: string): LeadError =>
  new LeadError('REVIEW_NOT_FOUND', `there is no review ${reviewId}`, { reviewId });

export const REVIEW_PREFIX = 'review-';
/** The one stream of all alignment meetings; reviews have uuids. */
export const ALIGNMENT_ID = 'alignment';

/** Every review and alignment meeting: the fold of the review streams in log order. */
export class ReviewBook {
  readonly #reviews = new Map<string, Review>();

  get(reviewId: string): Review {
    return this.#reviews.get(reviewId) ?? initialReview(reviewId);
  }

  /** Those scheduled for the latest instant come first. */
  all(): Review[] {
    return [...this.#reviews.values()]
      .filter(({ status }) => status !== null)
      .sort((a, b) => Date.parse(b.at ?? '') - Date.parse(a.at ?? '') || (a.reviewId < b.reviewId ? -1 : 1));
  }

  /** When the team last completed a review; null: never. */
  lastCompletedMs(teamId: string): number | null {
    let last: number | null = null;
    for (const review of this.#reviews.values()) {
      if (review.teamId !== teamId || review.completed === null) continue;
      last = Math.max(last ?? -Infinity, Date.parse(review.completed.at));
    }
    return last;
  }

  /** The latest held first. */
  meetings(): ReviewEventData<'AlignmentMeetingHeld'>[] {
    return [...this.get(ALIGNMENT_ID).meetings].sort((a, b) => (a.occurredAt > b.occurredAt ? -1 : 1));
  }

  /** Other streams and types are ignored. @throws ZodError for a payload that is not of its schema; the book is then unchanged */
  apply(event: { readonly stream: string; readonly type: string; readonly data: unknown }): void {
    if (!event.stream.startsWith(REVIEW_PREFIX) || !isReviewEventType(event.type)) return;
    const reviewId = event.stream.slice(REVIEW_PREFIX.length);
    const data = reviewEventSchemas[event.type].parse(event.data);
    this.#reviews.set(reviewId, evolveReview(this.get(reviewId), { type: event.type, data } as ReviewEvent));
  }
}
