import { z } from 'zod';
import { code, id } from './fields.js';

/** How people are approached: the engagement policies and the nurture tracks of a pipeline (spec §3.9). */

export const ENGAGEMENT_POLICIES = [
  'EP-1', 'EP-2', 'EP-3', 'EP-4', 'EP-5', 'EP-6', 'EP-7', 'EP-8', 'EP-9', 'EP-10', 'EP-11', 'EP-12', 'EP-13', 'EP-14', 'EP-15',
] as const; // prettier-ignore
export type EngagementPolicyId = (typeof ENGAGEMENT_POLICIES)[number];

/** `warn`: the command succeeds and its event says so; `block`: it is refused. */
const engagementMode = z.enum(['off', 'warn', 'block']);

/** The policies that are not by default: one that is not named warns. */
export const engagementPolicies = z.partialRecord(z.enum(ENGAGEMENT_POLICIES), engagementMode);

/** EP-8, numbers assumed by the spec. */
export const contactCap = z.strictObject({
  attempts: z.int().min(1).max(1000),
  days: z.number().positive().max(365),
  attemptsPerCycle: z.int().min(1).max(10_000),
});

export const TRACK_KINDS = ['education', 'problem_solution', 'drip', 'reengagement', 'account'] as const;
export type TrackKind = (typeof TRACK_KINDS)[number];

const trackStep = z.strictObject({
  step: z.int().min(1),
  channel: code,
  /** One message to many people; a letter or call to one person is not. */
  oneToMany: z.boolean().default(true),
  contentId: id.optional(),
  afterDays: z.number().min(0).max(3650).optional(),
});

/** One planned series of marketing communication. What it declares is what EP-10 asks for. */
export const nurtureTrack = z.strictObject({
  trackId: id,
  kind: z.enum(TRACK_KINDS),
  name: z.string().max(256).optional(),
  personaId: id.optional(),
  segmentId: id.optional(),
  journeyStage: z.enum(['awareness', 'consideration', 'decision']).optional(),
  challengeCode: code.optional(),
  /** States a lead may be enrolled in; absent: any. */
  allowedStates: z.array(code).min(1).optional(),
  /** Grades and bands of the score that a lead may be enrolled with; absent: any. Nobody scored is U and cold. */
  grades: z
    .array(z.enum(['A', 'B', 'C', 'D', 'U']))
    .min(1)
    .optional(),
  bands: z
    .array(z.enum(['cold', 'warm', 'hot']))
    .min(1)
    .optional(),
  steps: z.array(trackStep).max(200).default([]),
});
export type NurtureTrack = z.infer<typeof nurtureTrack>;
