import type { EventLog } from '#libs/event-log/src/event-log.js';
import { evolveAccount, factsOf, initialAccount, type Account } from '#libs/account/src/account.js';
import { chosenId } from '#libs/account/src/account-commands.js';
import { accountEventSchemas, type AccountEvent } from '#libs/account/src/account-events.js';
import type { AccountFacts } from '#libs/lead/src/account-facts.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { PlainStreams } from './plain-streams.js';

export const ACCOUNT_PREFIX = 'account-';

export interface AccountsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly testClock?: boolean;
}

/** Accounts as their streams have them: for their own commands and for those of leads. */
export class Accounts {
  readonly streams: PlainStreams<Account, AccountEvent>;

  constructor({ clock, log, testClock = false }: AccountsOptions) {
    this.streams = new PlainStreams({
      log,
      clock,
      testClock,
      prefix: ACCOUNT_PREFIX,
      schemas: accountEventSchemas,
      initial: initialAccount,
      evolve: evolveAccount,
    });
  }

  /** What a decision about a lead needs; null: there is no such account. Errors: EventLogError. */
  async facts(accountId: string): Promise<AccountFacts | null> {
    if (!chosenId.safeParse(accountId).success) return null;
    return factsOf((await this.streams.load(accountId)).state);
  }
}
