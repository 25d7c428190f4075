import { Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { ForRoles } from '#apps/api/src/caller.js';
import { rebuildQuery } from '#apps/api/src/openapi/projection-routes.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import type { Projections } from './projections.js';

export const PROJECTIONS = Symbol('Projections');

/** How the read models are, and what an operator may do to them. Served by whichever process runs the projector. */
@ForRoles('ops')
@Controller('v1/projections')
export class ProjectionsController {
  constructor(@Inject(PROJECTIONS) private readonly projections: Projections) {}

  @Get()
  async list(): Promise<object> {
    return { projections: await this.projections.list() };
  }

  @Post(':name/rebuild')
  @HttpCode(202)
  rebuild(
    @Param('name') name: string,
    @Query(new ZodPipe(rebuildQuery)) { wait }: z.output<typeof rebuildQuery>,
  ): Promise<object> {
    return this.projections.rebuild(name, wait * 1000);
  }

  @Get(':name/parked')
  async parked(@Param('name') name: string): Promise<object> {
    return { parked: await this.projections.parked(name) };
  }

  @Post(':name/parked/:entity/retry')
  @HttpCode(200)
  async retry(@Param('name') name: string, @Param('entity') entity: string): Promise<object> {
    return { entity, resumed: await this.projections.retry(name, entity) };
  }
}
