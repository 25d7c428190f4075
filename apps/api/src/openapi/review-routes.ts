import { z } from 'zod';
import { DECISIONS, FINDINGS, reviewCommandSchemas } from '#libs/alert/src/review.js';
import { REVIEW_ROLES, reviewsQuery } from '../alerts/reviews.controller.js';
import type { Route } from './route.js';

const headers = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'Command id: the same again is the same command. A uuid, or up to 200 visible ASCII characters',
  },
};
const reviewId = z.uuid();
const position = z.string().nullable();
const card = {
  reviewId: z.string(),
  teamId: z.string(),
  status: z.enum(['scheduled', 'completed']),
  at: z.string(),
  findings: z.array(
    z.looseObject({
      recordedAt: z.string(),
      leadId: z.string().optional(),
      finding: z.enum(FINDINGS),
      decision: z.enum(DECISIONS),
      by: z.string(),
    }),
  ),
  completed: z.object({ at: z.string(), itemsReviewed: z.int() }).nullable(),
};
const review = z.object(card);
const answered = { description: 'Carried out', schema: review.loose(), name: 'ReviewAnswer' };
const meeting = z.looseObject({
  occurredAt: z.string(),
  attendees: z.array(z.string()),
  topics: z.array(z.string()),
  agreementChangesProposed: z.int(),
});

/** Pipeline reviews and alignment meetings (spec §4.3 review, EP-15). */
export const reviewRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/reviews',
    tag: 'Reviews',
    summary: 'ScheduleReview.',
    operationId: 'scheduleReview',
    roles: REVIEW_ROLES,
    headers,
    body: { schema: reviewCommandSchemas.ScheduleReview, name: 'ScheduleReview' },
    answers: { 201: answered },
  },
  {
    method: 'GET',
    path: '/v1/reviews',
    tag: 'Reviews',
    summary: 'Pipeline reviews, the latest first.',
    operationId: 'listReviews',
    query: reviewsQuery,
    answers: {
      200: { description: 'The reviews', schema: z.object({ position, items: z.array(review) }), name: 'Reviews' },
    },
  },
  {
    method: 'GET',
    path: '/v1/reviews/{reviewId}',
    tag: 'Reviews',
    summary: 'A review with its agenda: the stale leads to decide about, and what has happened since the one before.',
    operationId: 'readReview',
    params: { reviewId },
    answers: {
      200: {
        description: 'The review',
        schema: review.extend({
          agenda: z.object({
            since: z.string().nullable(),
            stale: z.array(z.looseObject({ leadId: z.string(), decided: z.boolean() })),
            moved: z.string(),
            closed: z.string(),
            unverified: z.string(),
          }),
        }),
        name: 'Review',
      },
    },
  },
  {
    method: 'POST',
    path: '/v1/reviews/{reviewId}/findings',
    tag: 'Reviews',
    summary: 'RecordFinding: what was found and what is done about it; the latest about a lead counts.',
    operationId: 'recordFinding',
    roles: REVIEW_ROLES,
    params: { reviewId },
    headers,
    body: { schema: reviewCommandSchemas.RecordFinding, name: 'RecordFinding' },
    answers: { 201: answered },
  },
  {
    method: 'POST',
    path: '/v1/reviews/{reviewId}/complete',
    tag: 'Reviews',
    summary: 'CompleteReview; REVIEW_INCOMPLETE while a stale lead of the team is undecided.',
    operationId: 'completeReview',
    roles: REVIEW_ROLES,
    params: { reviewId },
    headers,
    body: { schema: reviewCommandSchemas.CompleteReview, name: 'CompleteReview' },
    answers: { 200: answered },
  },
  {
    method: 'POST',
    path: '/v1/alignment-meetings',
    tag: 'Reviews',
    summary: 'Marketing and sales have met about their agreement.',
    operationId: 'holdAlignmentMeeting',
    roles: REVIEW_ROLES,
    headers,
    body: { schema: reviewCommandSchemas.HoldAlignmentMeeting, name: 'HoldAlignmentMeeting' },
    answers: { 201: { description: 'Recorded', schema: meeting, name: 'AlignmentMeeting' } },
  },
  {
    method: 'GET',
    path: '/v1/alignment-meetings',
    tag: 'Reviews',
    summary: 'Alignment meetings, the latest first.',
    operationId: 'listAlignmentMeetings',
    answers: {
      200: {
        description: 'The meetings',
        schema: z.object({ position, items: z.array(meeting) }),
        name: 'AlignmentMeetings',
      },
    },
  },
];
