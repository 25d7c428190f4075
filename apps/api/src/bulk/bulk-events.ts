import { z } from 'zod';
import { commandActions, ROLES, type CommandName } from '#libs/lead/src/commands.js';

const at = { occurredAt: z.string() };
const count = z.int().min(0);

/**
 * Events of a `bulkjob-<jobId>` stream (spec §4.3). The command's body is sealed in BulkStarted under the job's own key. Jobs of the
 * ledger itself, such as a rescore, share the category; they name no leads.
 */
export const bulkEventSchemas = {
  BulkStarted: z.object({
    ...at,
    command: z.enum(Object.keys(commandActions) as [CommandName, ...CommandName[]]),
    leadIds: z.array(z.string()),
    /** Whoever began it: each lead's command is given in this name, with these rights. */
    actor: z.object({
      type: z.enum(['user', 'system', 'integration']),
      id: z.string(),
      role: z.enum([...ROLES, 'system']),
      teams: z.array(z.string()),
      onBehalfOf: z.string().optional(),
    }),
  }),
  /** `events`: types of what was recorded; empty: it was so already. */
  BulkItemDone: z.object({ ...at, leadId: z.string(), revision: z.int(), events: z.array(z.string()) }),
  BulkItemFailed: z.object({ ...at, leadId: z.string(), code: z.string() }),
  BulkCancelled: z.object({ ...at, by: z.string() }),
  BulkFinished: z.object({
    ...at,
    outcome: z.enum(['done', 'cancelled']),
    done: count,
    failed: count,
    /** Left out by a cancellation. */
    notReached: count,
  }),
} as const;
export type BulkStarted = z.infer<typeof bulkEventSchemas.BulkStarted>;
