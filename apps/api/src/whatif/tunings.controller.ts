import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Actor } from '#libs/lead/src/commands.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller, ForRoles } from '../caller.js';
import { commandIdOf } from '../leads/command-headers.js';
import { tuningRequest } from './tuning-requests.js';
import { Tunings } from './tunings.js';
import { waitQuery, whatIfId, type whatIfList, type whatIfTold } from './what-if-requests.js';
import { WhatIfRuns } from './what-if-runs.js';

/** Fitted scoring models, served where the history is kept: by the process that runs the projector. */
@ForRoles('analyst', 'ops')
@Controller('v1/tunings')
export class TuningsController {
  constructor(
    private readonly tunings: Tunings,
    private readonly runs: WhatIfRuns,
  ) {}

  @Post()
  @HttpCode(202)
  async start(
    @Body(new ZodPipe(tuningRequest)) body: z.output<typeof tuningRequest>,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.input<typeof whatIfTold>> {
    const { id } = await this.tunings.start(commandIdOf(key), body, actor);
    void reply.header('location', `/v1/tunings/${id}`);
    return this.runs.settled('tuning', id, wait * 1000);
  }

  @Get()
  async list(): Promise<z.input<typeof whatIfList>> {
    return { items: await this.runs.list('tuning') };
  }

  @Get(':id')
  read(
    @Param('id', new ZodPipe(whatIfId)) id: string,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
  ): Promise<z.input<typeof whatIfTold>> {
    return this.runs.settled('tuning', id, wait * 1000);
  }

  @Delete(':id')
  remove(@Param('id', new ZodPipe(whatIfId)) id: string, @Caller() actor: Actor): Promise<z.input<typeof whatIfTold>> {
    return this.runs.remove('tuning', id, actor);
  }
}
