import { Inject, Injectable } from '@nestjs/common';
import {
  accountActions,
  accountCommandSchemas,
  campaignActions,
  campaignCommandSchemas,
  type AccountCommand,
  type AccountCommandName,
  type CampaignCommand,
  type CampaignCommandName,
} from '#libs/account/src/account-commands.js';
import { decideAccount } from '#libs/account/src/decide-account.js';
import {
  campaignEventSchemas,
  decideCampaign,
  evolveCampaign,
  initialCampaign,
  type Campaign,
  type CampaignEvent,
} from '#libs/account/src/campaign.js';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import type { CommandOutcome } from '#libs/event-log/src/handle-command.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { Actor } from '#libs/lead/src/commands.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { requireRole } from '#libs/platform/src/roles.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, SETTINGS } from '#libs/platform/src/tokens.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import { hashOfCommand } from '../commands/canonical-json.js';
import { type CommandOrigin, leadStream } from '../commands/lead-streams.js';
import { Policies } from '../policies.js';
import { Accounts } from './accounts.js';
import { PlainStreams } from './plain-streams.js';

/** What a command's answer says: as for leads, without a state. */
export interface StreamAnswer {
  readonly revision: number;
  readonly position: Position | null;
  readonly events: readonly { readonly type: string; readonly eventId: string }[];
  readonly replayed: boolean;
}
export interface StreamCommandInput<Name> {
  readonly name: Name;
  /** Absent: the command creates the stream. */
  readonly id?: string;
  readonly body: unknown;
  readonly commandId: string;
  readonly actor: Actor;
  readonly ifMatch?: number;
}

/**
 * Commands of accounts and campaigns: schema → role → idempotency → the rest in their decisions → one append.
 * Errors: Problem, LeadError, CommandError, EventLogError.
 */
@Injectable()
export class AccountCommands {
  readonly #campaigns: PlainStreams<Campaign, CampaignEvent>;

  constructor(
    private readonly accounts: Accounts,
    private readonly policies: Policies,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SETTINGS) { testClock }: Settings,
  ) {
    this.#campaigns = new PlainStreams({
      log,
      clock,
      testClock,
      prefix: 'campaign-',
      schemas: campaignEventSchemas,
      initial: initialCampaign,
      evolve: evolveCampaign,
    });
  }

  async account(input: StreamCommandInput<AccountCommandName>): Promise<StreamAnswer & { accountId: string }> {
    const { id, name, commandId } = input;
    const body = parsed(accountCommandSchemas[name], input.body ?? {});
    const command = { name, body } as AccountCommand;
    requireRole(input.actor, accountActions[name].roles);
    const accountId =
      id ??
      (command.name === 'RegisterAccount' ? command.body.accountId : undefined) ??
      derivedId('account', commandId);
    const named = await this.#named(command);
    const outcome = await this.accounts.streams.handle(accountId, originOf(input, body), input.ifMatch, (account) =>
      decideAccount(account, command, {
        nowMs: this.clock.nowMs(),
        policies: this.policies.book,
        ...(named === undefined ? {} : { named }),
      }),
    );
    return { accountId, ...answerOf(outcome) };
  }

  async campaign(input: StreamCommandInput<CampaignCommandName>): Promise<StreamAnswer & { campaignId: string }> {
    const { id, name, commandId } = input;
    const body = parsed(campaignCommandSchemas[name], input.body ?? {});
    const command = { name, body } as CampaignCommand;
    requireRole(input.actor, campaignActions[name].roles);
    const campaignId =
      id ?? (command.name === 'PlanCampaign' ? command.body.campaignId : undefined) ?? derivedId('campaign', commandId);
    const outcome = await this.#campaigns.handle(campaignId, originOf(input, body), input.ifMatch, (campaign) =>
      decideCampaign(campaign, command, { nowMs: this.clock.nowMs(), policies: this.policies.book }),
    );
    // Who plans a campaign names it in the next capture.
    await this.policies.catchUp();
    return { campaignId, ...answerOf(outcome) };
  }

  /** Whether what a body names is there. */
  async #named(command: AccountCommand): Promise<'there' | 'absent' | undefined> {
    if (command.name === 'MergeAccount') {
      const survivor = await this.accounts.facts(command.body.survivorId);
      return survivor !== null && survivor.survivorId === null ? 'there' : 'absent';
    }
    if (command.name !== 'RecordBuyingRole' && command.name !== 'RecordDecisionMakerLeft') return undefined;
    const { leadId } = command.body;
    if (leadId === undefined) return undefined;
    const [first] = await this.log.readStream(leadStream(leadId), { limit: 1 });
    return first === undefined ? 'absent' : 'there';
  }
}

const originOf = (
  { actor, commandId, id, name }: StreamCommandInput<string>,
  body: { readonly onBehalfOf?: string | undefined },
): CommandOrigin => ({
  commandId,
  commandHash: hashOfCommand(name, id ?? null, body),
  actor: body.onBehalfOf === undefined ? actor : { ...actor, onBehalfOf: body.onBehalfOf },
  source: { system: 'api' },
});

const answerOf = ({ revision, position, events, replayed }: CommandOutcome<unknown>): StreamAnswer => ({
  revision,
  position,
  events,
  replayed,
});
