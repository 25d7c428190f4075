import { Controller, Get, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import type { Query as ReportQuery } from '#libs/read-models/src/report-params.js';
import { EXPORT_FORMATS, type ExportFormat } from '../audit/audit-export.js';
import { commaList, position } from '../query-fields.js';
import { type Export, Exports } from './exports.js';

const format = z.enum(EXPORT_FORMATS).default('ndjson');
const formatOnly = z.object({ format });
export const eventsExportQuery = z.strictObject({
  after: position.optional().describe('Only what was recorded after this position'),
  types: commaList.optional().describe('Only events of these types, comma-separated'),
  format,
});

/** Whole lists as files with their row count, digest and position, as the audit's export has them. */
@Controller('v1/export')
export class ExportController {
  constructor(private readonly exports: Exports) {}

  @Get('leads')
  async leads(@Query() query: ReportQuery, @Res() reply: FastifyReply): Promise<void> {
    const { asked, format: as } = formatOf(query);
    send(reply, 'leads', as, await this.exports.leads(asked, as));
  }

  @Get('visits')
  async visits(@Query() query: ReportQuery, @Res() reply: FastifyReply): Promise<void> {
    const { asked, format: as } = formatOf(query);
    send(reply, 'visits', as, await this.exports.visits(asked, as));
  }

  @Get('events')
  async events(@Query() query: ReportQuery, @Res() reply: FastifyReply): Promise<void> {
    const asked = parsed(eventsExportQuery, query);
    send(reply, 'events', asked.format, await this.exports.events(asked));
  }
}

function formatOf(query: ReportQuery): { readonly asked: ReportQuery; readonly format: ExportFormat } {
  const { format: _, ...asked } = query;
  return { asked, ...parsed(formatOnly, { format: query.format }) };
}

function send(reply: FastifyReply, what: string, as: ExportFormat, file: Export): void {
  void reply
    .code(200)
    .headers({
      'content-type': as === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson',
      'content-disposition': `attachment; filename="${what}.${as}"`,
      'content-length': String(file.bytes),
      'content-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
      'x-ledger-rows': String(file.rows),
      'x-ledger-sha256': file.sha256,
      'x-ledger-position': file.position ?? '',
    })
    .send(file.content);
}
