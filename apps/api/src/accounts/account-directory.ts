import { Inject, Injectable } from '@nestjs/common';
import type { Account } from '#libs/account/src/account.js';
import { evolveAccount, initialAccount } from '#libs/account/src/account.js';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import { ACCOUNT_PREFIX, Accounts } from './accounts.js';

const PAGE = 1000;

/**
 * Every account there is, without its research: folded from the log, in the order of registration. Read on before each answer,
 * so never behind; held in memory, a few hundred bytes an account.
 */
@Injectable()
export class AccountDirectory {
  readonly #accounts = new Map<string, Account>();
  #position: Position | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly accounts: Accounts,
    @Inject(EVENT_LOG) private readonly log: EventLog,
  ) {}

  /** Errors: EventLogError. */
  async all(): Promise<readonly Account[]> {
    // One after the other: a page is folded once.
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#readOn());
    await this.#reading;
    return [...this.#accounts.values()];
  }

  async #readOn(): Promise<void> {
    const head = await this.log.head();
    for (;;) {
      const after = this.#position === undefined ? {} : { after: this.#position };
      const page = await this.log.readAll({ ...after, filter: { streamPrefixes: [ACCOUNT_PREFIX] }, limit: PAGE });
      for (const event of page.events) {
        const accountId = event.stream.slice(ACCOUNT_PREFIX.length);
        const before = this.#accounts.get(accountId) ?? initialAccount(accountId);
        this.#accounts.set(accountId, { ...evolveAccount(before, this.accounts.streams.read(event)), research: [] });
        this.#position = event.position;
      }
      if (page.next === null) break;
      this.#position = page.next;
    }
    // All up to here was scanned: the next reading need not scan a long log again.
    if (head !== null && (this.#position === undefined || head > this.#position)) this.#position = head;
  }
}
