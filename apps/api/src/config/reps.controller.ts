import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post } from '@nestjs/common';
import type { z } from 'zod';
import type { Actor } from '#libs/lead/src/commands.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { requireRole } from '#libs/platform/src/roles.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import type { SettingCommand } from '#libs/policy/src/setting.js';
import { Caller } from '../caller.js';
import { Policies } from '../policies.js';
import { type ConfigAnswer, ConfigCommands } from './config-commands.js';
import { CONFIGURES, originOf } from './config.controller.js';
import {
  capacityBody,
  joinBody,
  leaveBody,
  type repList,
  type routingAnswer,
  routingBody,
  trainedBody,
} from './config-requests.js';

/** People of a team and how its leads are handed out (spec §4.3 team, rep). */
@Controller('v1/config/teams/:id')
export class RepsController {
  constructor(
    private readonly commands: ConfigCommands,
    private readonly policies: Policies,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get('reps')
  async list(@Param('id') teamId: string): Promise<z.input<typeof repList>> {
    await this.#requireTeam(teamId);
    return {
      items: this.policies.book
        .reps(teamId, this.clock.nowMs())
        .map((rep) => ({ ...rep, skills: [...rep.skills], trained: [...rep.trained] })),
    };
  }

  @Post('reps')
  async join(
    @Param('id') teamId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
  ): Promise<ConfigAnswer> {
    const rep = parsed(joinBody, body);
    requireRole(actor, CONFIGURES);
    await this.#requireTeam(teamId);
    return this.#act(rep.repId, { act: 'join', teamId, ...rep }, originOf(key, ifMatch, actor));
  }

  @Post('reps/:repId/leave')
  @HttpCode(200)
  async leave(
    @Param('id') teamId: string,
    @Param('repId') repId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
  ): Promise<ConfigAnswer> {
    const fields = parsed(leaveBody, body ?? {});
    requireRole(actor, CONFIGURES);
    await this.#requireRep(teamId, repId);
    return this.#act(repId, { act: 'leave', repId, ...fields }, originOf(key, ifMatch, actor));
  }

  @Post('reps/:repId/capacity')
  @HttpCode(200)
  async capacity(
    @Param('id') teamId: string,
    @Param('repId') repId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
  ): Promise<ConfigAnswer> {
    const { until, weeklyLeadCapacity } = parsed(capacityBody, body);
    requireRole(actor, CONFIGURES);
    await this.#requireRep(teamId, repId);
    const untilIso = until === undefined ? undefined : new Date(until).toISOString();
    const command: SettingCommand = { act: 'change-capacity', repId, weeklyLeadCapacity, until: untilIso };
    return this.#act(repId, command, originOf(key, ifMatch, actor));
  }

  @Post('reps/:repId/trained')
  @HttpCode(200)
  async trained(
    @Param('id') teamId: string,
    @Param('repId') repId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
  ): Promise<ConfigAnswer> {
    const { topic } = parsed(trainedBody, body);
    requireRole(actor, CONFIGURES);
    await this.#requireRep(teamId, repId);
    return this.#act(repId, { act: 'train', repId, topic }, originOf(key, ifMatch, actor));
  }

  @Get('routing')
  async routing(@Param('id') teamId: string): Promise<z.input<typeof routingAnswer>> {
    await this.#requireTeam(teamId);
    return { teamId, routing: this.policies.book.routing(teamId) };
  }

  @Post('routing')
  @HttpCode(200)
  async setRouting(
    @Param('id') teamId: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
  ): Promise<ConfigAnswer> {
    const document = parsed(routingBody, body);
    requireRole(actor, CONFIGURES);
    await this.#requireTeam(teamId);
    const command: SettingCommand = { act: 'set-routing', teamId, document };
    return this.commands.setting(`team-${teamId}`, teamId, command, originOf(key, ifMatch, actor));
  }

  #act(repId: string, command: SettingCommand, origin: ReturnType<typeof originOf>): Promise<ConfigAnswer> {
    return this.commands.setting(`rep-${repId}`, repId, command, origin);
  }

  async #requireTeam(teamId: string): Promise<void> {
    await this.policies.catchUp();
    if (this.policies.book.team(teamId) === null) throw new Problem('NOT_FOUND', `there is no team ${teamId}`);
  }

  async #requireRep(teamId: string, repId: string): Promise<void> {
    await this.#requireTeam(teamId);
    if (this.policies.book.rep(repId)?.teamId !== teamId)
      throw new Problem('NOT_FOUND', `there is no ${repId} in team ${teamId}`);
  }
}
