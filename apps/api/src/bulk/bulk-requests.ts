import { z } from 'zod';
import { commandActions, type CommandName } from '#libs/lead/src/commands.js';
import { limit, position } from '../query-fields.js';

/** Those that name an event, a clock, another lead or one person's details: the same words fit no second lead. */
const OF_ONE_LEAD: ReadonlySet<CommandName> = new Set<CommandName>([
  'CaptureLead',
  'UpdateLeadDetails',
  'VoidTransition',
  'CorrectOccurredAt',
  'RetractBreach',
  'RebaseClock',
  'MergeLeads',
  'UnmergeLeads',
  'DismissDuplicate',
]);
export const BULK_COMMANDS = (Object.keys(commandActions) as CommandName[]).filter(
  (name) => commandActions[name].systemOnly !== true && !OF_ONE_LEAD.has(name),
);

const filterValue = z.string().max(256).nullable();
export const bulkRequest = z
  .strictObject({
    command: z.enum(BULK_COMMANDS as [CommandName, ...CommandName[]]),
    body: z.record(z.string(), z.json()).default({}).describe('The same for every lead: hold nothing about one person'),
    filter: z
      .record(z.string().max(64), z.union([filterValue, z.array(filterValue).min(1).max(100)]))
      .optional()
      .describe('As the filters of GET /v1/leads: {"state": "LEAD", "owner": ["rita", null]}; null: has none'),
    leadIds: z.array(z.uuid().toLowerCase()).min(1).optional(),
    dryRun: z.boolean().default(false).describe('Tell what would happen and do nothing'),
    dryRunToken: z.string().max(200).optional().describe('Above 100 leads: as the dry run of the same request gave it'),
  })
  .refine(({ filter, leadIds }) => (filter === undefined) !== (leadIds === undefined), {
    path: ['leadIds'],
    message: 'either leadIds or filter',
  });
export type BulkRequest = z.output<typeof bulkRequest>;

export const itemsQuery = z.strictObject({
  outcome: z.enum(['done', 'failed', 'pending']).optional(),
  limit: limit(10_000, 1000),
  cursor: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a cursor as an answer gave it')
    .transform(Number)
    .default(0),
});

const count = z.int().min(0);
const card = {
  jobId: z.string(),
  command: z.string(),
  status: z.enum(['running', 'cancelling', 'cancelled', 'finished']),
  counts: z.object({ total: count, done: count, failed: count, pending: count }),
  startedBy: z.string(),
  startedAt: z.string(),
  cancelledBy: z.string().nullable(),
  finishedAt: z.string().nullable(),
  position: position.describe('Of the last result so far: pass it as `after` to a query to see their effect'),
};
export const bulkCard = z.object(card);
export const bulkList = z.object({ items: z.array(bulkCard) });
export const bulkAnswer = z.object({
  ...card,
  failures: z.record(z.string(), count).describe('How many were refused, by code'),
  items: z.array(
    z.object({
      leadId: z.string(),
      outcome: z.enum(['done', 'failed', 'pending']),
      code: z.string().optional(),
      revision: z.int().optional(),
      events: z.array(z.string()).optional().describe('Types of what was recorded; empty: it was so already'),
    }),
  ),
  nextCursor: z.string().nullable(),
});
export const dryRunAnswer = z.object({
  dryRun: z.literal(true),
  command: z.string(),
  total: count,
  wouldSucceed: count,
  wouldFail: z.record(z.string(), count).describe('How many would be refused, by code'),
  sample: z.array(
    z.object({ leadId: z.string(), events: z.array(z.string()).optional(), code: z.string().optional() }),
  ),
  token: z.string().describe('Send it as `dryRunToken` with the same request'),
  expiresAt: z.string(),
  position: position.nullable(),
});
