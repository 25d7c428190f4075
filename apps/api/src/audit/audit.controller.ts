import { Controller, Get, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { invalid } from '#libs/platform/src/problem.js';
import type { Query as ReportQuery } from '#libs/read-models/src/report-params.js';
import { Figures } from '../reports/figures.js';
import { EXPORT_FORMATS, type ExportFormat } from './audit-export.js';

/** Every transition by actor, reason, period and kind (spec §8.2), as pages or as a file with its digest. */
@Controller('v1/audit')
export class AuditController {
  constructor(private readonly figures: Figures) {}

  @Get()
  async list(@Query() query: ReportQuery, @Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    const { format = 'json', ...rest } = query;
    if (format === 'json') return this.figures.ask('audit', rest);
    if (!(EXPORT_FORMATS as readonly unknown[]).includes(format))
      throw invalid('format', `one of json, ${EXPORT_FORMATS.join(', ')}`);
    const file = await this.figures.ask('auditFile', rest, format as ExportFormat);
    void reply.headers({
      'content-type': file.contentType,
      'content-disposition': `attachment; filename="audit.${String(format)}"`,
      'content-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
      'x-ledger-rows': String(file.rows),
      'x-ledger-sha256': file.sha256,
      'x-ledger-position': file.position ?? '',
    });
    const { buffer, byteLength, byteOffset } = file.content;
    return Buffer.from(buffer, byteOffset, byteLength);
  }
}
