import type { Position } from '#libs/event-log/src/event-log.js';
import { type CommandOutcome, type CommandRequest, handleCommand } from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import { type Actor, commandActions, type LeadCommand } from '#libs/lead/src/commands.js';
import { decide, type DecideContext, SETTLE_ON_WRITE } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import type { LeadState } from '#libs/lead/src/state.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { type CommandOrigin, leadStream, LeadStreams, type LeadStreamsOptions } from './lead-streams.js';

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

/** The ledger itself acts: what was due is written down whoever noticed it. */
const SETTLER: Actor = { type: 'system', id: SETTLE_ON_WRITE, role: 'system', teams: [] };

/** One command on one lead's stream: what the domain decides, appended once. */
export class LeadDecisions {
  readonly streams: LeadStreams;

  constructor(private readonly options: LeadStreamsOptions) {
    this.streams = new LeadStreams(options);
  }

  /** `decided`: in place of the domain's decision. Errors: LeadError, CommandError, PolicyError, EventLogError. */
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
        write: (events, state) => this.streams.write(leadId, events, settlingFor(origin, state), state),
      },
    };
    return handleCommand(this.streams.runtime, request);
  }

  decideOn(state: LeadState, revision: number, command: LeadCommand, origin: CommandOrigin): readonly LeadEvent[] {
    if (revision < 0 && command.name !== 'CaptureLead') throw notFound(command.leadId);
    return decide(state, command, this.#context(origin));
  }

  #context({ actor, commandId }: CommandOrigin): DecideContext {
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
      return decide(state, { name: 'SettleClocks', leadId, body: {} }, this.#context(settlingFor(origin, state)));
    } catch (error) {
      if (error instanceof LeadError) return [];
      throw error;
    }
  }
}

/**
 * An id of its own: the refused command's must stay unused, or its repetition would be taken for done. And one for each
 * state, since the repetition may find more that is due.
 */
const settlingFor = (origin: CommandOrigin, { revision }: LeadState): CommandOrigin => ({
  ...origin,
  commandId: derivedId(`settle-${revision}`, origin.commandId),
  actor: SETTLER,
  causationId: origin.commandId,
});

export const notFound = (leadId: string): LeadError =>
  new LeadError('LEAD_NOT_FOUND', 'there is no such lead', { leadId });

export function answerOf(leadId: string, outcome: CommandOutcome<LeadState>): LeadCommandAnswer {
  const { events, position, replayed, revision, state } = outcome;
  return { leadId, revision, position, state: state.state, events, replayed };
}
