import { Body, Controller, Get, Headers, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { accountActions, chosenId, type AccountCommandName } from '#libs/account/src/account-commands.js';
import type { Account } from '#libs/account/src/account.js';
import { accountNotFound } from '#libs/account/src/decide-account.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { toIso } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { leadsOfAccount } from '#libs/read-models/src/account-leads.js';
import { leadListItem } from '#libs/read-models/src/lead-list.js';
import { readRows } from '#libs/read-models/src/scan.js';
import { Caller } from '../caller.js';
import { commandIdOf, revisionOf } from '../leads/command-headers.js';
import { after, limit } from '../query-fields.js';
import { Views } from '../views.js';
import { AccountCommands } from './account-commands.js';
import { AccountDirectory } from './account-directory.js';
import { Accounts } from './accounts.js';

export const accountListQuery = z.strictObject({
  domain: z.string().max(253).optional().describe('Only the accounts with this domain'),
  limit: limit(1000, 100),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a cursor as an answer gave it')
    .transform(Number)
    .optional(),
});
export const accountQuery = z.strictObject({ after });
/** Leads told with an account; the count says how many there are. */
const MOST_LEADS = 1000;

const commandOfAction = new Map(
  Object.entries(accountActions).flatMap(([name, { action }]) =>
    action === null ? [] : [[action, name as AccountCommandName] as const],
  ),
);

@Controller('v1/accounts')
export class AccountsController {
  constructor(
    private readonly commands: AccountCommands,
    private readonly accounts: Accounts,
    private readonly directory: AccountDirectory,
    private readonly views: Views,
  ) {}

  @Post()
  async register(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const answer = await this.commands.account({ name: 'RegisterAccount', body, commandId: commandIdOf(key), actor });
    void reply.code(201).header('etag', `"${answer.revision}"`);
    return answer;
  }

  @Get()
  async list(@Query(new ZodPipe(accountListQuery)) query: z.output<typeof accountListQuery>): Promise<object> {
    const all = await this.directory.all();
    const domain = query.domain?.toLowerCase();
    const found = domain === undefined ? all : all.filter(({ domains }) => domains.includes(domain));
    const from = query.cursor ?? 0;
    const page = found.slice(from, from + query.limit);
    const next = from + page.length;
    return { items: page.map(summaryOf), nextCursor: next < found.length ? String(next) : null };
  }

  @Get(':accountId')
  async read(
    @Param('accountId') accountId: string,
    @Query(new ZodPipe(accountQuery)) query: z.output<typeof accountQuery>,
  ): Promise<object> {
    if (!chosenId.safeParse(accountId).success) throw accountNotFound(accountId);
    const { view, position } = await this.views.reflecting(query.after);
    const { state: account, revision } = await this.accounts.streams.load(accountId);
    if (!account.exists) throw accountNotFound(accountId);
    const leadIds = await leadsOfAccount(view, accountId);
    const leads = await readRows(view, leadIds.slice(0, MOST_LEADS));
    return {
      ...summaryOf(account),
      revision,
      position,
      buyingRoles: Array.from(account.buyingRoles, ([leadId, role]) => ({ leadId, role })),
      decisionMakersLeft: account.decisionMakersLeft.map(({ leadId, atMs }) => ({ leadId, at: toIso(atMs) })),
      nurtureTracks: account.nurtureTracks,
      research: account.research.map(({ topic, text, atMs }) => ({ topic, text, at: toIso(atMs) })),
      leadCount: leadIds.length,
      leads: leads.map(leadListItem),
    };
  }

  @Post(':accountId/:action')
  async command(
    @Param('accountId') id: string,
    @Param('action') action: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const name = commandOfAction.get(action);
    if (name === undefined) throw new Problem('NOT_FOUND', `there is no action ${action}`);
    if (!chosenId.safeParse(id).success) throw accountNotFound(id);
    const expected = revisionOf(ifMatch);
    const match = expected === undefined ? {} : { ifMatch: expected };
    const answer = await this.commands.account({ name, id, body, commandId: commandIdOf(key), actor, ...match });
    void reply.code(200).header('etag', `"${answer.revision}"`);
    return answer;
  }
}

function summaryOf({ accountId, name, domains, firmographics, icpFit, survivorId }: Account) {
  const { industry, annualRevenue, employees, country } = firmographics;
  return {
    accountId,
    name,
    domains,
    industry: industry ?? null,
    annualRevenue: annualRevenue ?? null,
    employees: employees ?? null,
    country: country ?? null,
    icpFit,
    mergedInto: survivorId,
  };
}
