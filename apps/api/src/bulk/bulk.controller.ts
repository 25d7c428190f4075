import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Actor } from '#libs/lead/src/commands.js';
import { toIso } from '#libs/platform/src/clock.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller } from '../caller.js';
import { commandIdOf } from '../leads/command-headers.js';
import { after } from '../query-fields.js';
import { type BulkJob, countsOf, itemsOf, statusOf } from './bulk-job.js';
import { BulkJobs } from './bulk-jobs.js';
import { bulkRequest, type bulkAnswer, type bulkCard, type bulkList, itemsQuery } from './bulk-requests.js';

export const jobId = z.uuid().toLowerCase();
export const startQuery = z.strictObject({ after });

/** One command for many leads (spec §9.7). Roles are those of the command. */
@Controller('v1/bulk')
export class BulkController {
  constructor(private readonly jobs: BulkJobs) {}

  @Post()
  async start(
    @Body(new ZodPipe(bulkRequest)) request: z.output<typeof bulkRequest>,
    @Query(new ZodPipe(startQuery)) query: z.output<typeof startQuery>,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    void reply.code(request.dryRun ? 200 : 202);
    if (request.dryRun) return this.jobs.dryRun(request, actor, query.after);
    const job = await this.jobs.start(commandIdOf(key), request, actor, query.after);
    void reply.header('location', `/v1/bulk/${job.id}`);
    return cardOf(job);
  }

  @Get()
  async list(): Promise<z.input<typeof bulkList>> {
    return { items: (await this.jobs.list()).map(cardOf) };
  }

  @Get(':jobId')
  async read(
    @Param('jobId', new ZodPipe(jobId)) id: string,
    @Query(new ZodPipe(itemsQuery)) { cursor, limit, outcome }: z.output<typeof itemsQuery>,
  ): Promise<z.input<typeof bulkAnswer>> {
    const job = await this.jobs.job(id);
    const failures: Record<string, number> = {};
    const all = itemsOf(job);
    for (const item of all) if (item.outcome === 'failed') failures[item.code] = (failures[item.code] ?? 0) + 1;
    const items = outcome === undefined ? all : all.filter((item) => item.outcome === outcome);
    const next = cursor + limit;
    return {
      ...cardOf(job),
      failures,
      items: items
        .slice(cursor, next)
        .map((item) => (item.outcome === 'done' ? { ...item, events: [...item.events] } : item)),
      nextCursor: next < items.length ? String(next) : null,
    };
  }

  @Post(':jobId/cancel')
  @HttpCode(200)
  async cancel(
    @Param('jobId', new ZodPipe(jobId)) id: string,
    @Caller() actor: Actor,
  ): Promise<z.input<typeof bulkCard>> {
    return cardOf(await this.jobs.cancel(id, actor));
  }
}

function cardOf(job: BulkJob): z.input<typeof bulkCard> {
  const { cancelledBy, finishedAtMs, id, position, started, startedAtMs } = job;
  return {
    jobId: id,
    command: started.command,
    status: statusOf(job),
    counts: countsOf(job),
    startedBy: started.actor.id,
    startedAt: toIso(startedAtMs),
    cancelledBy,
    finishedAt: finishedAtMs === null ? null : toIso(finishedAtMs),
    position,
  };
}
