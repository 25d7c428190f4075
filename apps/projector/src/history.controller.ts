import { Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { ForRoles } from '#apps/api/src/caller.js';
import { readSpooled } from '#apps/api/src/export/spooled-export.js';
import { tableExportQuery } from '#apps/api/src/openapi/history-routes.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { Problem } from '#libs/platform/src/problem.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import type { History } from './history.js';

export const HISTORY = Symbol('History');

const CONTENT_TYPES = {
  parquet: 'application/vnd.apache.parquet',
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
} as const;
const EXPORT_WAIT_MS = 10_000;

/** The columnar history: how it is, and its tables as files. Served by whichever process keeps it. */
@Controller('v1')
export class HistoryController {
  constructor(
    @Inject(HISTORY) private readonly history: History,
    @Inject(EVENT_LOG) private readonly log: EventLog,
  ) {}

  @Get('history')
  status(): Promise<object> {
    return this.history.status();
  }

  @ForRoles('ops', 'analyst')
  @Post('history/verify')
  @HttpCode(200)
  verify(): Promise<object> {
    return this.history.verify();
  }

  @Get('export/tables/:table')
  async table(
    @Param('table') table: string,
    @Query(new ZodPipe(tableExportQuery)) { format }: z.output<typeof tableExportQuery>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // Everything that was acknowledged before the question is in the file.
    const head = await this.log.head();
    if (head !== null && !(await this.history.caughtUp(head, EXPORT_WAIT_MS)))
      throw new Problem('PROJECTION_BEHIND', 'the history is behind the log; try again', { retryable: true });
    const file = await this.history.export({ table, format });
    void reply
      .code(200)
      .headers({
        'content-type': CONTENT_TYPES[format],
        'content-disposition': `attachment; filename="${table}.${format}"`,
        'content-length': String(file.bytes),
        'content-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
        'x-ledger-rows': String(file.rows),
        'x-ledger-sha256': file.sha256,
        'x-ledger-position': file.position ?? '',
      })
      .send(readSpooled(file));
  }
}
