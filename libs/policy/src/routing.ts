import { z } from 'zod';
import { code, id } from './fields.js';

/** Who gets a lead of a team (spec §9.8). The first strategy that names somebody decides. */
export const routingDocument = z.strictObject({
  strategies: z
    .array(z.enum(['account_owner', 'territory', 'round_robin']))
    .min(1)
    .max(3),
  /** For `territory`: who serves leads of these countries; the first that matches. */
  territories: z
    .array(z.strictObject({ countries: z.array(code).min(1).max(300), repIds: z.array(id).min(1).max(500) }))
    .max(500)
    .default([]),
  /** Gets what nobody of the team can take. */
  fallbackTeamId: id.optional(),
});
export type RoutingDocument = z.infer<typeof routingDocument>;
