import type { Route } from '../openapi/route.js';
import { bulkAnswer, bulkCard, bulkList, bulkRequest, dryRunAnswer, itemsQuery } from './bulk-requests.js';
import { jobId, startQuery } from './bulk.controller.js';
import { z } from 'zod';

const tag = 'Bulk';

/** Bulk commands (spec §4.4 BulkCommand, §9.7). */
export const bulkRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/bulk',
    tag,
    summary: 'One command for up to 10,000 leads; above 100 after a dry run of the same request.',
    operationId: 'startBulk',
    query: startQuery,
    headers: {
      'Idempotency-Key': {
        schema: z.string().min(1).max(200),
        description: 'Id of the job: the same again is the same job. A uuid, or up to 200 visible ASCII characters',
      },
    },
    body: { schema: bulkRequest, name: 'BulkRequest' },
    answers: {
      200: { description: 'What would happen', schema: dryRunAnswer, name: 'BulkDryRun' },
      202: { description: 'Begun', schema: bulkCard, name: 'BulkJob', headers: { Location: 'Where it is watched' } },
    },
  },
  {
    method: 'GET',
    path: '/v1/bulk',
    tag,
    summary: 'The latest bulk jobs, newest first.',
    operationId: 'listBulk',
    answers: { 200: { description: 'At most 100', schema: bulkList, name: 'BulkList' } },
  },
  {
    method: 'GET',
    path: '/v1/bulk/{jobId}',
    tag,
    summary: 'How far a bulk job has come, lead by lead.',
    operationId: 'readBulk',
    params: { jobId },
    query: itemsQuery,
    answers: { 200: { description: 'The job', schema: bulkAnswer, name: 'BulkResults' } },
  },
  {
    method: 'POST',
    path: '/v1/bulk/{jobId}/cancel',
    tag,
    summary: 'Leave out the leads that have not been reached yet.',
    operationId: 'cancelBulk',
    params: { jobId },
    answers: { 200: { description: 'The job', schema: bulkCard, name: 'BulkJob' } },
  },
];
