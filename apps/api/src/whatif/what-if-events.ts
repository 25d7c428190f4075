import { z } from 'zod';

export const WHAT_IF_KINDS = ['replay', 'tuning', 'sla-replay'] as const;
export type WhatIfKind = (typeof WHAT_IF_KINDS)[number];

const at = { occurredAt: z.string() };

/** Events of a `whatif-<id>` stream (spec §2.2, §4.3). A model's validation refers to the run by its id. */
export const whatIfEventSchemas = {
  WhatIfRequested: z.object({
    ...at,
    kind: z.enum(WHAT_IF_KINDS),
    name: z.string().nullable(),
    by: z.string(),
    /** As it was sent, with what was left out filled in. */
    request: z.record(z.string(), z.unknown()),
  }),
  WhatIfCompleted: z.object({
    ...at,
    outcome: z.enum(['done', 'failed', 'cancelled']),
    /** Everything up to here was in the data; null: nothing was read. */
    datasetPosition: z.string().nullable(),
    /** The figures one looks at first. */
    summary: z.record(z.string(), z.unknown()).optional(),
    /** All of the answer, as JSON; gzip in base64, since it may be long. */
    result: z.object({ sha256: z.string(), gzip: z.string() }).optional(),
    error: z.object({ code: z.string(), detail: z.string() }).optional(),
  }),
  /** Out of the lists from then on; what was asked and answered stays in the log. */
  WhatIfForgotten: z.object({ ...at, by: z.string() }),
} as const;
export type WhatIfRequested = z.infer<typeof whatIfEventSchemas.WhatIfRequested>;
export type WhatIfCompleted = z.infer<typeof whatIfEventSchemas.WhatIfCompleted>;
