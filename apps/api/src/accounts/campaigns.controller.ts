import { Body, Controller, Get, Headers, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { campaignActions, chosenId, type CampaignCommandName } from '#libs/account/src/account-commands.js';
import { campaignNotFound, type Campaign } from '#libs/account/src/campaign.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { Problem } from '#libs/platform/src/problem.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller } from '../caller.js';
import { commandIdOf, revisionOf } from '../leads/command-headers.js';
import { Policies } from '../policies.js';
import { AccountCommands } from './account-commands.js';

const nothing = z.strictObject({});
const commandOfAction = new Map(
  Object.entries(campaignActions).flatMap(([name, { action }]) =>
    action === null ? [] : [[action, name as CampaignCommandName] as const],
  ),
);

@Controller('v1/campaigns')
export class CampaignsController {
  constructor(
    private readonly commands: AccountCommands,
    private readonly policies: Policies,
  ) {}

  @Post()
  async plan(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const answer = await this.commands.campaign({ name: 'PlanCampaign', body, commandId: commandIdOf(key), actor });
    void reply.code(201).header('etag', `"${answer.revision}"`);
    return answer;
  }

  @Get()
  async list(@Query(new ZodPipe(nothing)) _: object): Promise<object> {
    await this.policies.catchUp();
    return { items: this.policies.campaigns.all().map(cardOf) };
  }

  @Get(':campaignId')
  async read(@Param('campaignId') campaignId: string, @Query(new ZodPipe(nothing)) _: object): Promise<object> {
    await this.policies.catchUp();
    const campaign = this.policies.campaigns.get(campaignId);
    if (campaign === null) throw campaignNotFound(campaignId);
    return { ...cardOf(campaign), costs: campaign.costs };
  }

  @Post(':campaignId/:action')
  async command(
    @Param('campaignId') id: string,
    @Param('action') action: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const name = commandOfAction.get(action);
    if (name === undefined) throw new Problem('NOT_FOUND', `there is no action ${action}`);
    if (!chosenId.safeParse(id).success) throw campaignNotFound(id);
    const expected = revisionOf(ifMatch);
    const match = expected === undefined ? {} : { ifMatch: expected };
    const answer = await this.commands.campaign({ name, id, body, commandId: commandIdOf(key), actor, ...match });
    void reply.code(200).header('etag', `"${answer.revision}"`);
    return answer;
  }
}

function cardOf({ campaignId, status, planned, launchedAt, endedAt, costs }: Campaign) {
  return {
    campaignId,
    status,
    name: planned?.name ?? null,
    purpose: planned?.purpose ?? null,
    channel: planned?.channel ?? null,
    audienceSegment: planned?.audienceSegment ?? null,
    personaId: planned?.personaId ?? null,
    budget: planned?.budget ?? null,
    /** In the budget's currency. */
    spentMinor: costs.reduce((sum, { amountMinor }) => sum + amountMinor, 0),
    launchedAt,
    endedAt,
  };
}
