import type { Position } from '#libs/event-log/src/event-log.js';
import {
  type CommandOutcome,
  type CommandRequest,
  handleCommand,
  loadStream,
} from '#libs/event-log/src/handle-command.js';
import { derivedId, eventId } from '#libs/event-log/src/ids.js';
import type { AccountFacts, KnownCampaigns } from '#libs/lead/src/account-facts.js';
import { type Actor, commandActions, type LeadCommand, parseLeadCommand } from '#libs/lead/src/commands.js';
import { decide, decideAndFold, type Decided, type DecideContext, SETTLE_ON_WRITE } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import type { RoutingDesk } from '#libs/lead/src/routing-desk.js';
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

export interface LeadDecisionsOptions extends LeadStreamsOptions {
  /** Absent: there are none. */
  readonly accounts?: { facts(accountId: string): Promise<AccountFacts | null> };
  readonly campaigns?: KnownCampaigns;
}

/** From here no command leads to a handoff. */
const OFFERED: ReadonlySet<LeadStateName> = new Set<LeadStateName>(['SAL', 'SQL', 'OPPORTUNITY']);

/** The ledger itself acts: what was due is written down whoever noticed it. */
const SETTLER: Actor = { type: 'system', id: SETTLE_ON_WRITE, role: 'system', teams: [] };

const ICP_POLICY: Actor = { type: 'system', id: 'system:icp', role: 'system', teams: [] };

/** One command on one lead's stream: what the domain decides, appended once. */
export class LeadDecisions {
  readonly streams: LeadStreams;

  constructor(private readonly options: LeadDecisionsOptions) {
    this.streams = new LeadStreams(options);
  }

  /** `own`: in place of the usual ways. Errors: LeadError, CommandError, PolicyError, EventLogError. */
  handle(
    command: LeadCommand,
    origin: CommandOrigin,
    expectedRevision?: number,
    own: Partial<Pick<CommandRequest<LeadState, LeadEvent>, 'decide' | 'after' | 'write' | 'append'>> = {},
  ): Promise<CommandOutcome<LeadState>> {
    const { leadId } = command;
    let after: LeadState | null = null;
    const request: CommandRequest<LeadState, LeadEvent> = {
      stream: leadStream(leadId),
      commandId: origin.commandId,
      commandHash: origin.commandHash,
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
      commutes: commandActions[command.name].commutes,
      decide: (state, revision) => {
        const decided = this.decideAndFold(state, revision, command, origin);
        after = decided.after;
        return decided.events;
      },
      after: () => after,
      write: (events, state) => this.streams.write(leadId, events, origin, state),
      onRefusal: {
        decide: (state) => this.#due(state, origin),
        write: (events, state) => this.streams.write(leadId, events, settlingFor(origin, state), state),
      },
      ...own,
    };
    return handleCommand(this.streams.runtime, request);
  }

  /** `given`: what the command's process has read for it. */
  decideOn(
    state: LeadState,
    revision: number,
    command: LeadCommand,
    origin: CommandOrigin,
    given: Partial<DecideContext> = {},
  ): readonly LeadEvent[] {
    return this.decideAndFold(state, revision, command, origin, given).events;
  }

  /** As `decideOn`, with the lead as it is then. */
  decideAndFold(
    state: LeadState,
    revision: number,
    command: LeadCommand,
    origin: CommandOrigin,
    given: Partial<DecideContext> = {},
  ): Decided {
    if (revision < 0 && command.name !== 'CaptureLead') throw notFound(command.leadId);
    return decideAndFold(state, command, { ...this.#context(origin), ...given });
  }

  /** The account that a command is decided on; undefined: it asks about none. Errors: EventLogError. */
  async accountFor(command: LeadCommand): Promise<AccountFacts | null | undefined> {
    const accountId = await this.#accountIdOf(command);
    if (accountId === undefined) return undefined;
    return (await this.options.accounts?.facts(accountId)) ?? null;
  }

  /**
   * What routing and capacities ask of other leads; undefined: nobody asks, or this command cannot lead to an owner. The state at
   * hand may be old: what it hides is offered to the team as a whole. Errors: EventLogError.
   */
  async deskFor({ body, leadId, name }: LeadCommand): Promise<RoutingDesk | undefined> {
    const { clock, policies, repLoads } = this.options;
    if (repLoads === undefined || (commandActions[name].systemOnly === true && name !== 'RescoreLead'))
      return undefined;
    if (name === 'AssignOwner')
      return policies.rep(body.ownerId)?.weeklyLeadCapacity === undefined ? undefined : repLoads.desk(null);
    const rules = policies.routingRules(clock.nowMs());
    if (rules.length === 0) return undefined;
    const isNew = name === 'CaptureLead';
    const lead = isNew ? undefined : this.streams.runtime.cache.get(leadStream(leadId))?.state;
    if (lead !== undefined && lead.state !== null && OFFERED.has(lead.state)) return undefined;
    if (!rules.some(({ strategies }) => strategies.includes('account_owner'))) return repLoads.desk(null);
    if (isNew) return repLoads.desk(body.accountId ?? null);
    const { state } = await loadStream(this.streams.runtime, leadStream(leadId));
    return repLoads.desk(state.accountId);
  }

  /**
   * A change of the account between its reading and the lead's append: who looks for the account's leads may have looked before
   * this one was among them, so it is judged anew here. Errors: EventLogError.
   */
  async lookAgain(account: AccountFacts, leadId: string, origin: CommandOrigin): Promise<void> {
    const { accountId, firmographics } = account;
    const now = (await this.options.accounts?.facts(accountId)) ?? null;
    if (now === null || now.firmographics === firmographics) return;
    const again: CommandOrigin = {
      ...origin,
      commandId: derivedId('account-changed', origin.commandId),
      actor: ICP_POLICY,
      causationId: origin.commandId,
      account: now,
    };
    try {
      await this.handle(parseLeadCommand('AssessIcpFit', leadId, {}), again);
    } catch (error) {
      // No ICP in force, another account by now: nothing to judge.
      if (!(error instanceof LeadError)) throw error;
    }
  }

  async #accountIdOf({ body, leadId, name }: LeadCommand): Promise<string | undefined> {
    if (name === 'CaptureLead' || name === 'LinkAccount') return body.accountId;
    if (name !== 'AssessIcpFit') return undefined;
    const { state } = await loadStream(this.streams.runtime, leadStream(leadId));
    return state.accountId ?? undefined;
  }

  #context({ account, actor, commandId, routing }: CommandOrigin): DecideContext {
    const { campaigns } = this.options;
    return {
      nowMs: this.options.clock.nowMs(),
      commandId,
      actor,
      policies: this.options.policies,
      models: this.options.models,
      ...(account === undefined ? {} : { account }),
      ...(routing === undefined ? {} : { routing }),
      ...(campaigns === undefined ? {} : { campaigns }),
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
