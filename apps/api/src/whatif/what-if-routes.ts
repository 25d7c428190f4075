import { z } from 'zod';
import type { Route } from '../openapi/route.js';
import { replayRequest, waitQuery, whatIfId, whatIfList, whatIfTold } from './what-if-requests.js';

const idempotencyKey = {
  'Idempotency-Key': {
    schema: z.string().min(1).max(200),
    description: 'Id of the run: the same again is the same run. A uuid, or up to 200 visible ASCII characters',
  },
};
const run = { description: 'The run', schema: whatIfTold, name: 'WhatIf' };

/** The four routes of one kind of what-if run. */
export function whatIfRoutes(
  kind: { readonly path: string; readonly operation: string; readonly request: string; readonly summary: string },
  schema: z.ZodType,
  roles: NonNullable<Route['roles']>,
): readonly Route[] {
  const { operation, path, request, summary } = kind;
  const common = { tag: 'What-if', roles };
  const one = { path: `${path}/{id}`, params: { id: whatIfId } };
  return [
    {
      ...common,
      method: 'POST',
      path,
      summary,
      operationId: `start${operation}`,
      query: waitQuery,
      headers: idempotencyKey,
      body: { schema, name: request },
      answers: { 202: { ...run, description: 'Begun', headers: { Location: 'Where it is watched' } } },
    },
    {
      ...common,
      method: 'GET',
      path,
      summary: 'The latest runs, newest first, without their results.',
      operationId: `list${operation}s`,
      answers: { 200: { description: 'At most 100', schema: whatIfList, name: 'WhatIfList' } },
    },
    {
      ...common,
      ...one,
      method: 'GET',
      summary: 'How far a run is, and its result.',
      operationId: `read${operation}`,
      query: waitQuery,
      answers: { 200: run },
    },
    {
      ...common,
      ...one,
      method: 'DELETE',
      summary: 'Cancel a run, or forget one that is over.',
      operationId: `remove${operation}`,
      answers: { 200: run },
    },
  ];
}

export const replayRoutes = whatIfRoutes(
  {
    path: '/v1/replays',
    operation: 'Replay',
    request: 'ReplayRequest',
    summary: 'Try scoring models on all of the past, side by side, without touching a lead.',
  },
  replayRequest,
  ['analyst', 'ops'],
);
