import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { AccountCommands } from '#apps/api/src/accounts/account-commands.js';
import type { LeadCommands } from '#apps/api/src/commands/lead-commands.js';
import type { Policies } from '#apps/api/src/policies.js';
import type { Views } from '#apps/api/src/views.js';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { accountsWithLeads, leadsOfAccount } from '#libs/read-models/src/account-leads.js';
import { AccountProcess } from './account-process.js';

const SOURCE = { system: 'worker' };

/** Keeps the account process running for as long as the application does, also under a test clock: it waits for nothing but facts. */
export class FollowedAccounts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    readonly process: AccountProcess,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#running = this.process.run(this.#stop.signal).catch((error: unknown) => {
      this.logger.error({ err: error }, 'accounts are no longer followed; restart');
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

export function followedAccounts(
  log: EventLog,
  clock: Clock,
  { testClock }: Settings,
  logger: Logger,
  views: Views,
  policies: Policies,
  leads: LeadCommands,
  accounts: AccountCommands,
): FollowedAccounts {
  const process = new AccountProcess({
    log,
    clock,
    testClock,
    leadsOf: async (accountId, position) => leadsOfAccount((await views.reflecting(position)).view, accountId),
    accountsWithLeads: async (position) => accountsWithLeads((await views.reflecting(position)).view),
    async assessAccount(id, commandId) {
      await policies.catchUp();
      const actor = { type: 'system', id: 'system:icp', role: 'system', teams: [] } as const;
      return accounts.account({ name: 'AssessAccountIcp', id, body: {}, commandId, actor });
    },
    execute: async (command) => leads.execute({ ...command, source: SOURCE }),
    onError: (event, error) =>
      logger.error({ err: error, stream: event.stream, type: event.type }, 'an account could not be followed'),
  });
  return new FollowedAccounts(process, logger);
}
