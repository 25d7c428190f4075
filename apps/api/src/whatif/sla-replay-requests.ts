import { z } from 'zod';
import { CLOCK_TYPES } from '#libs/policy/src/documents.js';
import { configId } from '../config/config-requests.js';
import { position } from '../query-fields.js';
import { name } from './what-if-requests.js';
import { whatIfInstant, whatIfWindow } from './what-if-window.js';

/** What is sent to `/v1/sla-replays`, and what it answers. */

const version = z.int().min(1);
const document = z
  .record(z.string(), z.json())
  .describe('As it is drafted at /v1/config; what it leaves out is the template’s');

export const slaReplayRequest = z.strictObject({
  name: name.optional(),
  window: whatIfWindow.describe('Promises made in [from, to): dates (UTC) or instants, all of it past'),
  asOf: whatIfInstant.optional().describe('What was recorded later is not known; default: now'),
  agreement: z
    .strictObject({
      document: document.optional(),
      agreementId: configId.optional(),
      version: version.optional(),
      replaces: configId.optional().describe('Only clocks that ran under this agreement; all unless given'),
    })
    .refine((one) => (one.document === undefined) !== (one.agreementId === undefined && one.version === undefined), {
      message: 'either a document, or agreementId and version',
    })
    .refine((one) => (one.agreementId === undefined) === (one.version === undefined), {
      message: 'agreementId and version go together',
    })
    .optional()
    .describe('In force for all of the past, in place of those of then'),
  calendars: z
    .array(
      z
        .strictObject({ calendarId: configId, document: document.optional(), version: version.optional() })
        .refine((one) => (one.document === undefined) !== (one.version === undefined), {
          message: 'either a document or a version',
        }),
    )
    .max(100)
    .default([])
    .describe('In place of any version of the calendar of that id'),
  limit: z.int().min(0).max(10_000).default(1000).describe('So many breaches are listed, of each list'),
});
export type SlaReplayBody = z.output<typeof slaReplayRequest>;

const count = z.int().min(0);
const figures = z.object({
  met: count,
  breached: count.describe('Breaches that stand'),
  pending: count,
  cancelled: count,
  attainment: z.object({ numerator: count, denominator: count, rate: z.number().nullable() }),
});
const comparison = { recorded: figures, whatIf: figures, gained: count, avoided: count };
const breach = z.object({
  leadId: z.string(),
  clockType: z.enum(CLOCK_TYPES),
  startedAt: z.string(),
  recordedDueAt: z.string().nullable(),
  whatIfDueAt: z.string().nullable(),
  stoppedAt: z.string().nullable(),
  ownerId: z.string().nullable(),
  teamId: z.string().nullable(),
});
const breaches = z.object({ items: z.array(breach), more: count });

export const slaReplayResult = z.object({
  position: position.nullable().describe('Everything up to here was in the data'),
  candidateSha256: z.string().describe('Of the agreement and calendars that were asked about, in canonical form'),
  window: z.object({ from: z.string(), to: z.string() }),
  asOf: z.string(),
  check: z
    .object({
      clocks: count,
      breaches: count,
      differences: count,
      examples: z.array(
        z.object({
          leadId: z.string(),
          clockType: z.enum(CLOCK_TYPES),
          startedAt: z.string(),
          recorded: z.string(),
          replayed: z.string(),
        }),
      ),
    })
    .describe('Replayed under the policies in force: every difference from what was recorded. It must be 0'),
  leads: count,
  total: z.object(comparison),
  byClockType: z.array(z.object({ clockType: z.enum(CLOCK_TYPES), ...comparison })),
  byTeam: z.array(z.object({ teamId: z.string().nullable(), ...comparison })),
  byOwner: z.array(z.object({ ownerId: z.string().nullable(), ...comparison })),
  breaches,
  gained: breaches,
  avoided: breaches,
  caveats: z.array(z.string()),
});
