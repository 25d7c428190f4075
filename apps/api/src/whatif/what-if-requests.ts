import { z } from 'zod';
import { SEGMENT_DIMENSIONS } from '#libs/history/src/scoring-history.js';
import { LABELS } from '#libs/history/src/replay-metrics.js';
import { configId } from '../config/config-requests.js';
import { position } from '../query-fields.js';
import { whatIfInstant, whatIfWindow } from './what-if-window.js';

/** What is sent to `/v1/replays` and told there; the frame of the answer is that of every what-if. */

export const whatIfId = z.uuid().toLowerCase();
export const name = z.string().min(1).max(200);

export const candidate = z.union(
  [
    z.literal('active').describe('The model in force now'),
    z.strictObject({ modelId: configId, version: z.int().min(1) }),
    z.strictObject({ name: name.optional(), document: z.record(z.string(), z.unknown()) }),
  ],
  { error: 'must be "active", {modelId, version} or {name?, document}' },
);
const MOST_CANDIDATES = 6;
const MOST_THRESHOLDS = 500;
const MOST_LISTED = 1000;

export const replayRequest = z.strictObject({
  name: name.optional(),
  models: z
    .array(candidate)
    .min(1)
    .max(MOST_CANDIDATES)
    .describe('Compared side by side, the others also with the first'),
  window: whatIfWindow.describe('Leads captured in [from, to): dates (UTC) or instants, all of it past'),
  label: z.enum(LABELS).default('sql').describe('What a flagged lead is hoped to become'),
  horizonDays: z
    .int()
    .min(1)
    .max(3650)
    .default(180)
    .describe('After its capture; whose horizon is not over is left out'),
  asOf: whatIfInstant.optional().describe('What happened later is not looked at; default: now'),
  cycle: z.literal(1).default(1).describe('Only the first cycle of a lead is looked at'),
  by: z.array(z.enum(SEGMENT_DIMENSIONS)).max(SEGMENT_DIMENSIONS.length).default([]),
  thresholds: z
    .array(z.number().min(-1_000_000).max(1_000_000))
    .min(1)
    .max(MOST_THRESHOLDS)
    .optional()
    .describe('Points to try as `mql.minTotal`; default: some hundred round ones'),
  listed: z.int().min(0).max(MOST_LISTED).default(100).describe('So many gained and lost leads are named'),
  position: position.optional().describe('Of an earlier run, to repeat it; default: all there is'),
});
export type ReplayBody = z.output<typeof replayRequest>;

export const waitQuery = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, 'must be whole seconds from 0 to 60')
    .transform(Number)
    .refine((seconds) => seconds <= 60, 'must be whole seconds from 0 to 60')
    .default(0)
    .describe('Answer when it is over, at the latest after so many seconds'),
});

const object = z.record(z.string(), z.unknown());
export const whatIfCard = z.object({
  id: z.string(),
  name: z.string().nullable(),
  status: z
    .enum(['queued', 'running', 'done', 'failed', 'cancelled', 'interrupted'])
    .describe('interrupted: the process ended before the run did; send the request again'),
  progress: z.number().min(0).max(1),
  requestedBy: z.string(),
  requestedAt: z.string(),
  finishedAt: z.string().nullable(),
  datasetPosition: z
    .string()
    .nullable()
    .describe('All up to here was looked at: with it the same request has the same result'),
  request: object,
  summary: object.nullable().describe('The figures one looks at first'),
  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
});
export const whatIfTold = whatIfCard.extend({
  result: object.nullable(),
  resultSha256: z.string().nullable(),
});
export const whatIfList = z.object({ items: z.array(whatIfCard) });
