import { z } from 'zod';
import { TABLE_FORMATS } from '../export/table-export.js';
import { position } from '../query-fields.js';
import type { Route } from './route.js';

export const tableExportQuery = z.strictObject({ format: z.enum(TABLE_FORMATS).default('parquet') });

/** Served by the process that keeps the history: all roles in one, or the projector on its own port. */
export const historyRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/history',
    tag: 'Operations',
    summary: 'The columnar history: position, lag, segments, tables.',
    operationId: 'getHistory',
    answers: {
      200: {
        description: 'How it is',
        schema: z.object({
          position: position.nullable(),
          head: position.nullable(),
          lag: z.object({ events: z.int(), seconds: z.number() }).nullable(),
          segments: z.int(),
          bytes: z.int(),
          events: z.int().describe('In segments'),
          pendingEvents: z.int().describe('In memory only; after a crash they are read from the log again'),
          tables: z.array(z.string()),
        }),
        name: 'History',
      },
    },
  },
  {
    method: 'POST',
    path: '/v1/history/verify',
    tag: 'Operations',
    summary: 'Compare the history with the log encoded anew.',
    operationId: 'verifyHistory',
    roles: ['ops', 'analyst'],
    answers: {
      200: {
        description: 'Both digests, up to the same position',
        schema: z.object({ position: position.nullable(), equal: z.boolean(), kept: z.string(), anew: z.string() }),
        name: 'HistoryVerification',
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/export/tables/{table}',
    tag: 'Exports',
    summary: 'One table of the history as a file for SQL and notebooks.',
    operationId: 'exportTable',
    params: { table: z.string().describe('As `GET /v1/history` lists them') },
    query: tableExportQuery,
    answers: {
      200: {
        description: 'The file',
        contentTypes: ['application/vnd.apache.parquet', 'text/csv', 'application/x-ndjson'],
        schema: z.string(),
        headers: {
          'Content-Digest': 'sha-256 of every byte',
          'X-Ledger-Rows': 'Rows of data',
          'X-Ledger-Sha256': 'The digest in hex',
          'X-Ledger-Position': 'What the file reflects',
        },
      },
    },
  },
];
