import { z } from 'zod';
import { instant, position } from '../query-fields.js';
import type { Route } from './route.js';

export const clockRequest = z.strictObject({
  now: instant,
  sweep: z
    .enum(['continuous', 'none'])
    .default('continuous')
    .describe('continuous: time passes through every due instant on the way and settles there; none: it jumps'),
});
export const sweepRequest = z.strictObject({
  instances: z.int().min(1).max(64).default(1).describe('So many sweepers at once'),
});
const answer = {
  description: 'The time it is now; all views have caught up',
  schema: z.object({ now: z.string(), position: position.nullable() }),
  name: 'TestClock',
};
const common = { tag: 'Testing', roles: ['admin'] as const };

/** Served under LEDGER_TEST_CLOCK=1 only (apps/worker/src/testing.controller.ts). */
export const testingRoutes: readonly Route[] = [
  {
    ...common,
    method: 'GET',
    path: '/v1/testing/clock',
    summary: 'The time of the hand-driven clock; only under LEDGER_TEST_CLOCK=1.',
    operationId: 'readTestClock',
    answers: { 200: answer },
  },
  {
    ...common,
    method: 'PUT',
    path: '/v1/testing/clock',
    summary: 'Set the hand-driven clock; only under LEDGER_TEST_CLOCK=1.',
    operationId: 'setTestClock',
    body: { schema: clockRequest, name: 'TestClockRequest' },
    answers: { 200: answer },
  },
  {
    ...common,
    method: 'POST',
    path: '/v1/testing/sweep',
    summary: 'Run several sweepers at once; only under LEDGER_TEST_CLOCK=1.',
    operationId: 'sweep',
    body: { schema: sweepRequest, name: 'SweepRequest' },
    answers: { 200: answer },
  },
];
