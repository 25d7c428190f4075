import { z } from 'zod';
import type { Route } from './route.js';

export const rebuildQuery = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, 'must be whole seconds from 0 to 60')
    .transform(Number)
    .refine((seconds) => seconds <= 60, 'must be whole seconds from 0 to 60')
    .default(0)
    .describe('Answer when it is through, at the latest after so many seconds'),
});
const name = z.string().describe('`funnel`');
const entity = z.string().describe('Lead id');
const rebuild = z.object({
  status: z.enum(['running', 'done', 'failed']),
  startedAt: z.string(),
  report: z
    .looseObject({ equal: z.boolean().describe('Whether the rebuilt view equals the one it replaced') })
    .nullable(),
  error: z.string().nullable(),
});
const common = { tag: 'Operations', roles: ['ops'] as const };

/** Served by the process that runs the projector: all roles in one, or the projector on its own port. */
export const projectionRoutes: readonly Route[] = [
  {
    ...common,
    method: 'GET',
    path: '/v1/projections',
    summary: 'The read models: version, position, lag, parked leads.',
    operationId: 'listProjections',
    answers: {
      200: {
        description: 'One entry each',
        schema: z.object({
          projections: z.array(
            z.looseObject({
              name: z.string(),
              version: z.int().nullable(),
              position: z.string().nullable(),
              head: z.string().nullable(),
              lag: z.object({ events: z.int(), seconds: z.number() }).nullable(),
              parked: z.int(),
              rebuild: rebuild.nullable(),
            }),
          ),
        }),
        name: 'Projections',
      },
    },
  },
  {
    ...common,
    method: 'POST',
    path: '/v1/projections/{name}/rebuild',
    summary: 'Fill a new version beside the live one, compare, switch.',
    operationId: 'rebuildProjection',
    params: { name },
    query: rebuildQuery,
    answers: { 202: { description: 'How far it is', schema: rebuild, name: 'Rebuild' } },
  },
  {
    ...common,
    method: 'GET',
    path: '/v1/projections/{name}/parked',
    summary: 'Leads whose events the view refuses, and why.',
    operationId: 'listParked',
    params: { name },
    answers: {
      200: {
        description: 'The parked leads',
        schema: z.object({ parked: z.array(z.looseObject({ entity: z.string(), error: z.string() })) }),
        name: 'Parked',
      },
    },
  },
  {
    ...common,
    method: 'POST',
    path: '/v1/projections/{name}/parked/{entity}/retry',
    summary: 'Fold a parked lead again.',
    operationId: 'retryParked',
    params: { name, entity },
    answers: {
      200: {
        description: 'Whether it goes on',
        schema: z.object({ entity: z.string(), resumed: z.boolean() }),
        name: 'Retried',
      },
    },
  },
];
