import type { Position } from '#libs/event-log/src/event-log.js';
import {
  CommandError,
  type CommandOutcome,
  type CommandRequest,
  handleCommand,
} from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import {
  type Actor,
  commandActions,
  type CommandName,
  type LeadCommand,
  parseLeadCommand,
  requireRole,
} from '#libs/lead/src/commands.js';
import { decide, type DecideContext, SETTLE_ON_WRITE } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import type { LeadState } from '#libs/lead/src/state.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import type { IdentityClaims } from '#libs/privacy/src/identity-claims.js';
import { hashOfCommand } from './canonical-json.js';
import { CaptureProcess } from './capture-process.js';
import {
  type CommandOrigin,
  type CommandSource,
  leadStream,
  LeadStreams,
  type LeadStreamsOptions,
} from './lead-streams.js';

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

/** What a command's answer says (contract.md "Commands"). */
export interface LeadCommandAnswer {
  readonly leadId: string;
  /** Of the lead's last event after the command. */
  readonly revision: number;
  /** What a query has to wait for to see the command's effect; null when there never was any event. */
  readonly position: Position | null;
  readonly state: LeadStateName | null;
  readonly events: readonly { readonly type: string; readonly eventId: string }[];
  /** The command had been carried out before; this is its first outcome. */
  readonly replayed: boolean;
}

export interface LeadCommandsOptions extends LeadStreamsOptions {
  readonly claims: IdentityClaims;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The ledger itself acts: what was due is written down whoever noticed it. */
const SETTLER: Actor = { type: 'system', id: SETTLE_ON_WRITE, role: 'system', teams: [] };

/**
 * Every command of a lead, from whichever side it comes (HTTP, batch, sweeper), in the order of checks of spec §4.4:
 * schema → role → idempotency → lead exists → the rest in `decide` → one append.
 * Errors: LeadError; EventLogError when the log is not reachable (the command may then be repeated under its id).
 */
export class LeadCommands {
  readonly streams: LeadStreams;
  readonly #captures: CaptureProcess;

  constructor(private readonly options: LeadCommandsOptions) {
    this.streams = new LeadStreams(options);
    this.#captures = new CaptureProcess(this, options);
  }

  async execute(input: LeadCommandInput): Promise<LeadCommandAnswer> {
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
    const expectedRevision = input.ifMatch ?? command.body.expectedRevision;
    try {
      if (command.name === 'CaptureLead') return await this.#captures.capture(command, origin);
      if (!UUID.test(leadId)) throw notFound(leadId);
      if (command.name === 'UpdateLeadDetails')
        return await this.#captures.updateDetails(command, origin, expectedRevision);
      return answerOf(leadId, await this.handle(command, origin, expectedRevision));
    } catch (error) {
      throw coded(error, leadId);
    }
  }

  /** The command on its lead's stream, decided by the domain; for the processes of this folder. */
  handle(
    command: LeadCommand,
    origin: CommandOrigin,
    expectedRevision?: number,
    decided?: (state: LeadState, revision: number) => readonly LeadEvent[],
  ): Promise<CommandOutcome<LeadState>> {
    const { leadId } = command;
    const request: CommandRequest<LeadState, LeadEvent> = {
      stream: leadStream(leadId),
      commandId: origin.commandId,
      commandHash: origin.commandHash,
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
      commutes: commandActions[command.name].commutes,
      decide: decided ?? ((state, revision) => this.decideOn(state, revision, command, origin)),
      write: (events, state) => this.streams.write(leadId, events, origin, state),
      onRefusal: {
        decide: (state) => this.#due(state, origin),
        write: (events, state) => this.streams.write(leadId, events, settlingFor(origin), state),
      },
    };
    return handleCommand(this.streams.runtime, request);
  }

  decideOn(state: LeadState, revision: number, command: LeadCommand, origin: CommandOrigin): readonly LeadEvent[] {
    if (revision < 0 && command.name !== 'CaptureLead') throw notFound(command.leadId);
    return decide(state, command, this.context(origin));
  }

  context({ actor, commandId }: CommandOrigin): DecideContext {
    return {
      nowMs: this.options.clock.nowMs(),
      commandId,
      actor,
      policies: this.options.policies,
      newId: (name) => derivedId(name, commandId),
      eventId: (ordinal) => eventId(commandId, ordinal),
    };
  }

  /** A refused command still settles what was due (spec §4.5, §6.6). */
  #due(state: LeadState, origin: CommandOrigin): readonly LeadEvent[] {
    try {
      const { leadId } = state;
      return decide(state, { name: 'SettleClocks', leadId, body: {} }, this.context(settlingFor(origin)));
    } catch (error) {
      if (error instanceof LeadError) return [];
      throw error;
    }
  }
}

/** An id of its own: the refused command's must stay unused, or its repetition would be taken for done. */
const settlingFor = (origin: CommandOrigin): CommandOrigin => ({
  ...origin,
  commandId: derivedId('settle', origin.commandId),
  actor: SETTLER,
  causationId: origin.commandId,
});

export const notFound = (leadId: string): LeadError =>
  new LeadError('LEAD_NOT_FOUND', 'there is no such lead', { leadId });

export function answerOf(leadId: string, outcome: CommandOutcome<LeadState>): LeadCommandAnswer {
  const { events, position, replayed, revision, state } = outcome;
  return { leadId, revision, position, state: state.state, events, replayed };
}

function coded(error: unknown, leadId: string): unknown {
  if (error instanceof PolicyError) return new LeadError('NOT_READY', error.detail, { leadId });
  if (!(error instanceof CommandError)) return error;
  return new LeadError(error.code, error.message, { leadId, currentRevision: error.currentRevision });
}
