import { z } from 'zod';
import { leadListParams } from '#libs/read-models/src/lead-list.js';
import { EXPORT_FORMATS } from '../audit/audit-export.js';
import { queryOf } from '../openapi/report-routes.js';
import type { Route, RouteAnswer } from '../openapi/route.js';
import { eventsExportQuery } from './export.controller.js';
import { visitParams } from './lead-exports.js';

const format = z.enum(EXPORT_FORMATS).default('ndjson');
const file: RouteAnswer = {
  description: 'The file',
  contentTypes: ['application/x-ndjson', 'text/csv'],
  schema: z.string(),
  headers: {
    'Content-Digest': 'sha-256 of every byte',
    'X-Ledger-Rows': 'Rows of data, without the heading',
    'X-Ledger-Sha256': 'The digest in hex',
    'X-Ledger-Position': 'What the file reflects at least',
  },
};
const route = (what: string, operationId: string, summary: string, query: z.ZodObject): Route => ({
  method: 'GET',
  path: `/v1/export/${what}`,
  tag: 'Exports',
  summary,
  operationId,
  query,
  answers: { 200: file },
});

export const exportRoutes: readonly Route[] = [
  route(
    'leads',
    'exportLeads',
    'Every lead that passes the filters, by id.',
    queryOf({ ...leadListParams, paged: false }).extend({ format }),
  ),
  route(
    'visits',
    'exportVisits',
    'Every stay of those leads in a state; `from` and `to`: those that began then.',
    queryOf(visitParams).extend({ format }),
  ),
  route('events', 'exportEvents', 'Every event of a lead in the order of the log, up to now.', eventsExportQuery),
];
