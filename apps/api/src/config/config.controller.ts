import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Actor, Role } from '#libs/lead/src/commands.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { requireRole } from '#libs/platform/src/roles.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { parsed, ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { documentDiff } from '#libs/policy/src/document-diff.js';
import { benchmarkDocument, benchmarkId, targetDocument, targetId } from '#libs/policy/src/target.js';
import type { DocumentCommand, Party } from '#libs/policy/src/versioned-document.js';
import { Caller } from '../caller.js';
import { commandIdOf, revisionOf } from '../leads/command-headers.js';
import { Policies } from '../policies.js';
import { type ConfigAnswer, ConfigCommands, newConfigId } from './config-commands.js';
import { ConfigHistory, type ConfigHistoryOfOne } from './config-history.js';
import {
  activateBody,
  approveBody,
  configId,
  configKind,
  type configList,
  type diffAnswer,
  diffQuery,
  draftEnvelope,
  type readinessAnswer,
  readinessQuery,
  retireBody,
  validateBody,
  versionNumber,
} from './config-requests.js';
import { CONFIG_KINDS, type ConfigKind, isDocumentKind, prefixOf } from './config-streams.js';

const nothing = z.strictObject({});
/** Who configures (besides administrators), and who approves for which party. */
export const CONFIGURES: readonly Role[] = ['ops'];
export const APPROVES: Readonly<Partial<Record<Actor['role'], Party>>> = {
  marketing: 'marketing',
  sales_manager: 'sales',
};

/** Configuration over HTTP (contract "Configuration"). */
@Controller('v1/config')
export class ConfigController {
  constructor(
    private readonly history: ConfigHistory,
    private readonly commands: ConfigCommands,
    private readonly policies: Policies,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get('readiness')
  async readiness(
    @Query(new ZodPipe(readinessQuery)) { team }: z.output<typeof readinessQuery>,
  ): Promise<z.output<typeof readinessAnswer>> {
    await this.policies.catchUp();
    const { book } = this.policies;
    const nowMs = this.clock.nowMs();
    if (team !== undefined && book.team(team) === null) throw new Problem('NOT_FOUND', `there is no team ${team}`);
    const teams = (team === undefined ? book.teams().map(({ teamId }) => teamId) : [team]).map((teamId) => {
      const missing = book.missing(nowMs, teamId);
      const warnings = book.hasTarget(teamId, nowMs) ? [] : ['no revenue target is set for now'];
      return { teamId, ready: missing.length === 0, missing, warnings };
    });
    return { ready: teams.every(({ ready }) => ready), teams };
  }

  @Get(':kind')
  async list(
    @Param('kind') kind: string,
    @Query(new ZodPipe(nothing)) _: object,
  ): Promise<z.output<typeof configList>> {
    const documents = await this.history.list(known(kind));
    return { items: documents.map(({ versions: _versions, ...summary }) => summary) };
  }

  @Get(':kind/:id')
  async read(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Query(new ZodPipe(nothing)) _: object,
  ): Promise<ConfigHistoryOfOne> {
    return this.#existing(kind, id);
  }

  @Get(':kind/:id/diff')
  async diff(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Query(new ZodPipe(diffQuery)) { from, to }: z.output<typeof diffQuery>,
  ): Promise<z.output<typeof diffAnswer>> {
    const { versions } = await this.#existing(kind, id);
    const [before, after] = [from, to].map((version) => {
      const found = versions.find((one) => one.version === version);
      if (found === undefined) throw new Problem('NOT_FOUND', `${id} has no version ${version}`);
      return found.document;
    });
    return { id, from, to, changes: documentDiff(before, after) };
  }

  /** The next version of a document, or a new document; of teams, targets and benchmarks what holds from now on. */
  @Post(':kind')
  async draft(
    @Param('kind') kindName: string,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConfigAnswer> {
    const kind = known(kindName);
    const { document, id, version, ...rest } = parsed(draftEnvelope, body);
    const { reason, ...beside } = rest;
    if (document !== undefined && Object.keys(beside).length > 0)
      throw invalid(Object.keys(beside)[0] as string, 'belongs into the document');
    requireRole(actor, CONFIGURES);
    const origin = originOf(key, ifMatch, actor);
    if (!isDocumentKind(kind)) {
      if (version !== undefined) throw invalid('version', `${kind} have no versions`);
      return told(reply, await this.#set(kind, id, document ?? beside, reason, origin));
    }
    if (document === undefined && reason !== undefined) throw invalid('reason', 'unknown field');
    const command: DocumentCommand = { act: 'draft', document: document ?? beside, version };
    return told(reply, await this.commands.document(kind, id ?? newConfigId(origin.commandId), command, origin));
  }

  @Post(':kind/:id/versions/:version/approve')
  @HttpCode(200)
  async approve(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Param('version', new ZodPipe(versionNumber)) version: number,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConfigAnswer> {
    const { party } = parsed(approveBody, body ?? {});
    const command: DocumentCommand = { act: 'approve', version, party: partyOf(actor, party) };
    return told(reply, await this.#act(kind, id, command, originOf(key, ifMatch, actor)));
  }

  @Post(':kind/:id/versions/:version/validate')
  @HttpCode(200)
  async validate(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Param('version', new ZodPipe(versionNumber)) version: number,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConfigAnswer> {
    const { whatIfId } = parsed(validateBody, body ?? {});
    requireRole(actor, ['analyst', ...CONFIGURES]);
    const command: DocumentCommand = { act: 'validate', version, whatIfId };
    return told(reply, await this.#act(kind, id, command, originOf(key, ifMatch, actor)));
  }

  @Post(':kind/:id/versions/:version/activate')
  @HttpCode(200)
  async activate(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Param('version', new ZodPipe(versionNumber)) version: number,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConfigAnswer> {
    const fields = parsed(activateBody, body ?? {});
    requireRole(actor, CONFIGURES);
    const command: DocumentCommand = { act: 'activate', version, ...fields };
    return told(reply, await this.#act(kind, id, command, originOf(key, ifMatch, actor)));
  }

  @Post(':kind/:id/versions/:version/retire')
  @HttpCode(200)
  async retire(
    @Param('kind') kind: string,
    @Param('id') id: string,
    @Param('version', new ZodPipe(versionNumber)) version: number,
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConfigAnswer> {
    parsed(retireBody, body ?? {});
    requireRole(actor, CONFIGURES);
    return told(reply, await this.#act(kind, id, { act: 'retire', version }, originOf(key, ifMatch, actor)));
  }

  async #existing(kind: string, id: string): Promise<ConfigHistoryOfOne> {
    const history = await this.history.read(known(kind), id);
    if (history === null) throw new Problem('NOT_FOUND', `there is no ${id} among the ${kind}`);
    return history;
  }

  async #act(kindName: string, id: string, command: DocumentCommand, origin: Origin): Promise<ConfigAnswer> {
    const kind = known(kindName);
    if (!isDocumentKind(kind)) throw new Problem('NOT_FOUND', `${kind} have no versions to approve or activate`);
    if (!configId.safeParse(id).success) throw new Problem('NOT_FOUND', `there is no ${id} among the ${kind}`);
    return this.commands.document(kind, id, command, origin);
  }

  #set(
    kind: Exclude<ConfigKind, Parameters<ConfigCommands['document']>[0]>,
    id: string | undefined,
    document: Readonly<Record<string, unknown>>,
    reason: string | undefined,
    origin: Origin,
  ): Promise<ConfigAnswer> {
    switch (kind) {
      case 'teams': {
        const teamId = id ?? newConfigId(origin.commandId);
        return this.commands.setting(prefixOf(kind) + teamId, teamId, { act: 'define-team', document }, origin);
      }
      case 'targets': {
        const target = parsed(targetDocument, document);
        const own = sameId(id, targetId(target));
        return this.commands.setting(
          prefixOf(kind) + own,
          own,
          { act: 'set-target', document: target, reason },
          origin,
        );
      }
      case 'benchmarks': {
        const benchmark = parsed(benchmarkDocument, document);
        const own = sameId(id, benchmarkId(benchmark).slice('benchmark-'.length));
        return this.commands.setting(prefixOf(kind) + own, own, { act: 'set-benchmark', document: benchmark }, origin);
      }
    }
  }
}

export type Origin = Parameters<ConfigCommands['document']>[3];

export const originOf = (key: string | undefined, ifMatch: string | undefined, actor: Actor): Origin => ({
  commandId: commandIdOf(key),
  actor,
  ifMatch: revisionOf(ifMatch),
});

function told(reply: FastifyReply, answer: ConfigAnswer): ConfigAnswer {
  void reply.header('etag', `"${answer.revision}"`);
  return answer;
}

function known(kind: string): ConfigKind {
  const found = configKind.safeParse(kind);
  if (found.success) return found.data;
  throw new Problem('NOT_FOUND', `there is no configuration ${kind}; there are ${CONFIG_KINDS.join(', ')}`);
}

/** What targets and benchmarks are called follows from what they are about. */
function sameId(given: string | undefined, own: string): string {
  if (given === undefined || given === own) return own;
  throw invalid('id', `must be ${own}, or left out`);
}

/** For whom somebody approves: marketing and sales managers for their own, an administrator for whom he says. */
function partyOf(actor: Actor, asked: Party | undefined): Party {
  if (actor.role === 'admin') {
    if (asked === undefined) throw invalid('party', 'marketing or sales: an administrator says for whom he approves');
    return asked;
  }
  const own = APPROVES[actor.role];
  if (own !== undefined && (asked === undefined || asked === own)) return own;
  const required = Object.entries(APPROVES).flatMap(([role, party]) =>
    asked === undefined || party === asked ? role : [],
  );
  throw new Problem('FORBIDDEN_ROLE', `this needs the role ${required.join(' or ')}; you have ${actor.role}`, {
    required,
  });
}
