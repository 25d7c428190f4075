import { Body, Controller, Headers, Param, Post, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { commandActions, type Actor, type CommandName } from '#libs/lead/src/commands.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { Caller } from '../caller.js';
import { LeadCommandRequest } from '../commands/lead-command-request.js';
import type { LeadCommandAnswer } from '../commands/lead-commands.js';
import { commandIdAndBody, revisionOf } from './command-headers.js';

const SOURCE = { system: 'api' };
const commandOfAction = new Map(
  Object.entries(commandActions).flatMap(([name, { action }]) =>
    action === null ? [] : [[action, name as CommandName] as const],
  ),
);

/** Commands over HTTP (contract "Commands"). Body, role and everything else is judged behind the bus. */
@Controller('v1/leads')
export class LeadCommandsController {
  constructor(private readonly bus: CommandBus) {}

  @Post()
  async capture(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LeadCommandAnswer> {
    if (ifMatch !== undefined) throw invalid('If-Match', 'a capture has no revision to match');
    return this.#answer(reply, { name: 'CaptureLead', ...commandIdAndBody(key, body), actor, source: SOURCE });
  }

  @Post(':leadId/:action')
  async command(
    @Param('leadId') leadId: string,
    @Param('action') action: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LeadCommandAnswer> {
    const name = commandOfAction.get(action);
    if (name === undefined) throw new Problem('NOT_FOUND', `there is no action ${action}`);
    const expected = revisionOf(ifMatch);
    return this.#answer(reply, {
      name,
      leadId: name === 'MergeLeads' ? survivorOf(leadId, body) : leadId,
      ...commandIdAndBody(key, body),
      actor,
      source: SOURCE,
      ...(expected === undefined ? {} : { ifMatch: expected }),
    });
  }

  async #answer(
    reply: FastifyReply,
    input: ConstructorParameters<typeof LeadCommandRequest>[0],
  ): Promise<LeadCommandAnswer> {
    const answer = await this.bus.execute(new LeadCommandRequest(input));
    // The repetition of a capture answers as the capture did.
    void reply.code(answer.events.some(({ type }) => type === 'LeadCaptured') ? 201 : 200);
    void reply.header('etag', `"${answer.revision}"`);
    return answer;
  }
}

/** A merge is given to its survivor; posted to the duplicate it goes there, as its body says (spec §2.6). */
function survivorOf(leadId: string, body: unknown): string {
  const { survivorLeadId, duplicateLeadId } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof survivorLeadId !== 'string' || typeof duplicateLeadId !== 'string') return leadId;
  return duplicateLeadId.toLowerCase() === leadId.toLowerCase() ? survivorLeadId : leadId;
}
