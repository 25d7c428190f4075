import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Actor } from '#libs/lead/src/commands.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller, ForRoles } from '../caller.js';
import { commandIdOf } from '../leads/command-headers.js';
import { slaReplayRequest } from './sla-replay-requests.js';
import { SlaReplays } from './sla-replays.js';
import { waitQuery, whatIfId, type whatIfList, type whatIfTold } from './what-if-requests.js';
import { WhatIfRuns } from './what-if-runs.js';

/** What-if SLA: other agreements and calendars over the past (spec §6). Served where the history is kept. */
@ForRoles('analyst', 'ops')
@Controller('v1/sla-replays')
export class SlaReplaysController {
  constructor(
    private readonly replays: SlaReplays,
    private readonly runs: WhatIfRuns,
  ) {}

  @Post()
  @HttpCode(202)
  async start(
    @Body(new ZodPipe(slaReplayRequest)) body: z.output<typeof slaReplayRequest>,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.input<typeof whatIfTold>> {
    const { id } = await this.replays.start(commandIdOf(key), body, actor);
    void reply.header('location', `/v1/sla-replays/${id}`);
    return this.runs.settled('sla-replay', id, wait * 1000);
  }

  @Get()
  async list(): Promise<z.input<typeof whatIfList>> {
    return { items: await this.runs.list('sla-replay') };
  }

  @Get(':id')
  read(
    @Param('id', new ZodPipe(whatIfId)) id: string,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
  ): Promise<z.input<typeof whatIfTold>> {
    return this.runs.settled('sla-replay', id, wait * 1000);
  }

  @Delete(':id')
  remove(@Param('id', new ZodPipe(whatIfId)) id: string, @Caller() actor: Actor): Promise<z.input<typeof whatIfTold>> {
    return this.runs.remove('sla-replay', id, actor);
  }
}
