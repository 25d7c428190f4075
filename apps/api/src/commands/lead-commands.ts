import { CommandError, loadStream } from '#libs/event-log/src/handle-command.js';
import {
  type Actor,
  type CommandName,
  type LeadCommand,
  parseLeadCommand,
  requireRole,
} from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { hashOfCommand } from './canonical-json.js';
import { CaptureProcess } from './capture-process.js';
import { MergeProcess } from './merge-process.js';
import {
  answerOf,
  type LeadCommandAnswer,
  LeadDecisions,
  type LeadDecisionsOptions,
  notFound,
} from './lead-decisions.js';
import { type CommandOrigin, type CommandSource, leadStream, type LeadStreams } from './lead-streams.js';
import { scoreAnew } from './score-anew.js';

export { notFound, type LeadCommandAnswer } from './lead-decisions.js';

/** One command as it reaches the ledger: authenticated, its body not yet looked at. */
export interface LeadCommandInput {
  readonly name: CommandName;
  /** Every command but CaptureLead. */
  readonly leadId?: string;
  readonly body: unknown;
  /** A uuid: the same id again is the same command. */
  readonly commandId: string;
  readonly actor: Actor;
  /** Revision the client has seen. */
  readonly ifMatch?: number;
  readonly source: CommandSource;
  readonly correlationId?: string;
  readonly causationId?: string;
}

export interface LeadCommandsOptions extends LeadDecisionsOptions {
  readonly claims: IdentityClaims;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Every command of a lead, from whichever side it comes (HTTP, batch, sweeper), in the order of checks of spec §4.4:
 * schema → role → idempotency → lead exists → the rest in `decide` → one append.
 * Errors: LeadError; EventLogError when the log is not reachable (the command may then be repeated under its id).
 */
export class LeadCommands {
  readonly streams: LeadStreams;
  readonly #decisions: LeadDecisions;
  readonly #captures: CaptureProcess;
  readonly #merges: MergeProcess;

  constructor(options: LeadCommandsOptions) {
    this.#decisions = new LeadDecisions(options);
    this.#captures = new CaptureProcess(this.#decisions, options);
    this.#merges = new MergeProcess(this.#decisions, options);
    this.streams = this.#decisions.streams;
  }

  async execute(input: LeadCommandInput): Promise<LeadCommandAnswer> {
    const { command, leadId, origin: asked } = read(input);
    const expectedRevision = input.ifMatch ?? command.body.expectedRevision;
    try {
      if (command.name !== 'CaptureLead' && !UUID.test(leadId)) throw notFound(leadId);
      if (command.name === 'RescoreLead' && expectedRevision === undefined) {
        const answer = await scoreAnew(this.#decisions, command, asked);
        if (answer !== null) return answer;
      }
      const account = await this.#decisions.accountFor(command);
      const routing = await this.#decisions.deskFor(command);
      const origin = routing === undefined ? asked : { ...asked, routing };
      if (account === undefined) return await this.#carryOut(command, origin, expectedRevision);
      const answer = await this.#carryOut(command, { ...origin, account }, expectedRevision);
      if (account !== null) await this.#decisions.lookAgain(account, answer.leadId, origin);
      return answer;
    } catch (error) {
      throw coded(error, leadId, command.name);
    }
  }

  /**
   * Types of what an ordinary command on one existing lead would record now; nothing is written. Errors: as `execute`.
   */
  async preview(input: LeadCommandInput): Promise<readonly string[]> {
    const { command, leadId, origin } = read(input);
    try {
      if (!UUID.test(leadId)) throw notFound(leadId);
      const account = await this.#decisions.accountFor(command);
      const { revision, state } = await loadStream(this.streams.runtime, leadStream(leadId));
      const routing = await this.#decisions.deskFor(command);
      const given = {
        ...origin,
        ...(account === undefined ? {} : { account }),
        ...(routing === undefined ? {} : { routing }),
      };
      return this.#decisions.decideOn(state, revision, command, given).map(({ type }) => type);
    } catch (error) {
      throw coded(error, leadId);
    }
  }

  async #carryOut(
    command: LeadCommand,
    origin: CommandOrigin,
    expectedRevision: number | undefined,
  ): Promise<LeadCommandAnswer> {
    switch (command.name) {
      case 'CaptureLead':
        return this.#captures.capture(command, origin);
      case 'UpdateLeadDetails':
        return this.#captures.updateDetails(command, origin, expectedRevision);
      case 'MergeLeads':
        return this.#merges.merge(command, origin, expectedRevision);
      case 'UnmergeLeads':
        return this.#merges.unmerge(command, origin, expectedRevision);
      case 'DismissDuplicate':
        return this.#merges.dismiss(command, origin, expectedRevision);
      default:
        return answerOf(command.leadId, await this.#decisions.handle(command, origin, expectedRevision));
    }
  }

  /** A merge, or its taking back, that was left in the middle goes on; nothing happens to a finished one. */
  async resumeMerge(survivorLeadId: string, mergeId: string): Promise<void> {
    try {
      await this.#merges.resume(survivorLeadId, mergeId);
    } catch (error) {
      throw coded(error, survivorLeadId);
    }
  }
}

/** @throws LeadError VALIDATION_FAILED, FORBIDDEN_ROLE */
function read(input: LeadCommandInput): { command: LeadCommand; leadId: string; origin: CommandOrigin } {
  const commandId = input.commandId.toLowerCase();
  const leadId = input.leadId?.toLowerCase() ?? '';
  const command = parseLeadCommand(input.name, leadId, input.body ?? {});
  requireRole(command.name, input.actor);
  const { onBehalfOf } = command.body;
  const origin: CommandOrigin = {
    commandId,
    commandHash: hashOfCommand(command.name, input.leadId === undefined ? null : leadId, input.body ?? {}),
    actor: onBehalfOf === undefined ? input.actor : { ...input.actor, onBehalfOf },
    source: input.source,
    ...(input.correlationId === undefined ? {} : { correlationId: input.correlationId }),
    ...(input.causationId === undefined ? {} : { causationId: input.causationId }),
  };
  return { command, leadId, origin };
}

function coded(error: unknown, leadId: string, name?: string): unknown {
  const facts = leadId === '' ? {} : { leadId };
  if (error instanceof PolicyError) return new LeadError('NOT_READY', error.detail, facts);
  if (!(error instanceof CommandError)) return error;
  // Whoever expects a revision of a lead that never was is not late: asking again with another one does not help.
  if (error.code === 'CONFLICT' && error.currentRevision === -1 && name !== 'CaptureLead')
    return new LeadError('LEAD_NOT_FOUND', 'there is no such lead', facts);
  return new LeadError(error.code, error.message, { ...facts, currentRevision: error.currentRevision });
}
