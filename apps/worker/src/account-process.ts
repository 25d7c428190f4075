import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountEventData } from '#libs/account/src/account-events.js';
import { EventLogError, type EventLog, type Position, type RecordedEvent } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor, CommandName } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';

/** One command to a lead in the name of a policy; the same commandId again is the same command. */
export interface LeadFollowUp {
  readonly name: CommandName;
  readonly leadId: string;
  readonly body: object;
  readonly commandId: string;
  readonly actor: Actor;
  readonly causationId: string;
}

export interface AccountProcessOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Events say themselves when they were recorded. */
  readonly testClock: boolean;
  /** Leads linked to the account, as of a position at least. Rejects with a retryable Problem while the views are behind. */
  leadsOf(accountId: string, position: Position): Promise<readonly string[]>;
  /** Accounts that have leads, as of a position at least. */
  accountsWithLeads(position: Position): Promise<readonly string[]>;
  /** Judges the account by the ICP in force; the configuration up to now is in force. */
  assessAccount(accountId: string, commandId: string): Promise<unknown>;
  execute(command: LeadFollowUp): Promise<unknown>;
  /** What nobody foresaw; the process goes on with the next lead. */
  onError?(event: RecordedEvent, error: unknown): void;
  /** Before an unreachable log or view is tried again, and how often it looks whether a profile has come into force. */
  readonly retryMs?: number;
}

const FOLLOWED = ['AccountIcpAssessed', 'DecisionMakerLeft', 'AccountMerged', 'IcpActivated'] as const;
/** How far the process has come, so that a restart goes on where it stopped. */
const STREAM = 'process-accounts';
const CONCURRENCY = 16;
/** Inside the limit that a system's command may be dated back. */
const OLDEST_MS = 80 * 86_400_000;

const policy = (id: string): Actor => ({ type: 'system', id, role: 'system', teams: [] });
const ICP = policy('system:icp');
const DECISION_MAKER_LEFT = policy('system:decisionMakerLeft');
const ACCOUNT_MERGE = policy('system:accountMerge');

/**
 * What happens to a company reaches its leads (spec §9.6): a new judgement by the ICP is made of each lead too, a decision maker
 * who left is told to each open deal (EP-12), the leads of a merged account go over to the survivor.
 * Idempotent: every command's id follows from the event and the lead, so any number of workers may run and an event may be met
 * again. Resumable: the position is written down behind each batch that had leads to reach.
 */
export class AccountProcess {
  #doneTo: Position | null = null;
  /** Profiles that come into force later, by the id of their activation. */
  readonly #ahead = new Map<string, RecordedEvent>();

  constructor(private readonly options: AccountProcessOptions) {}

  /** Until the signal aborts; an unreachable log or view is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(signal), this.#waitForProfiles(signal)]);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#doneTo === null) {
          this.#doneTo = await this.#lastDone();
          await this.#findProfilesAhead();
        }
        const after = this.#doneTo === null ? {} : { after: this.#doneTo };
        const filter = { eventTypes: FOLLOWED };
        for await (const batch of this.options.log.subscribe({ ...after, filter, signal })) {
          let reached = 0;
          for (const event of batch.events) {
            reached += await this.#handleUntilDone(event, signal);
            if (signal.aborted) return;
          }
          const last = batch.events.at(-1);
          if (last !== undefined && reached > 0) await this.#writeDown(last);
          if (batch.scannedTo !== null) this.#doneTo = batch.scannedTo;
        }
        // A subscription that ends without an abort has lost the log.
        await this.#pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EventLogError)) throw error;
        await this.#pause(signal);
      }
    }
  }

  /** All that the log has now has reached the leads; gives up waiting after `waitMs`. For a hand-driven clock. */
  async caughtUp(waitMs = 5000): Promise<void> {
    const head = await this.options.log.head();
    const deadline = performance.now() + waitMs;
    const behind = () =>
      this.#doneTo === null || (head !== null && this.#doneTo < head) || this.#profilesDue().length > 0;
    while (head !== null && behind() && performance.now() < deadline) await sleep(10);
  }

  /** How many leads or accounts were reached. What no repetition mends is told and left. */
  async #handleUntilDone(event: RecordedEvent, signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      try {
        return await this.#handle(event);
      } catch (error) {
        if (!isRetryable(error)) {
          this.options.onError?.(event, error);
          return 0;
        }
        await this.#pause(signal);
      }
    }
    return 0;
  }

  async #handle(event: RecordedEvent): Promise<number> {
    if (event.type === 'IcpActivated') return this.#icpActivated(event);
    const accountId = event.stream.slice(event.stream.indexOf('-') + 1);
    const leadIds = await this.options.leadsOf(accountId, event.position);
    const followUp = this.#followUpTo(event);
    await each(leadIds, (leadId) => this.#send(event, { leadId, ...followUp }));
    return leadIds.length;
  }

  #followUpTo({ data, type }: RecordedEvent): Pick<LeadFollowUp, 'name' | 'body' | 'actor'> {
    switch (type) {
      case 'DecisionMakerLeft': {
        const { at, leadId } = data as AccountEventData<'DecisionMakerLeft'>;
        const recent = this.options.clock.nowMs() - Date.parse(at) < OLDEST_MS;
        const body = {
          kind: 'left',
          ...(leadId === undefined ? {} : { previousLeadId: leadId }),
          ...(recent ? { occurredAt: at } : {}),
        };
        return { name: 'ChangeDecisionMaker', body, actor: DECISION_MAKER_LEFT };
      }
      case 'AccountMerged': {
        const { survivorId } = data as AccountEventData<'AccountMerged'>;
        return { name: 'LinkAccount', body: { accountId: survivorId, basis: 'enrichment' }, actor: ACCOUNT_MERGE };
      }
      default:
        return { name: 'AssessIcpFit', body: {}, actor: ICP };
    }
  }

  /** Each account is judged anew; that judgement reaches its leads as any other. A profile that lies ahead is waited for. */
  async #icpActivated(event: RecordedEvent): Promise<number> {
    if (inForceFromMs(event) > this.options.clock.nowMs()) {
      this.#ahead.set(event.id, event);
      return 0;
    }
    const accountIds = await this.options.accountsWithLeads(event.position);
    await each(accountIds, async (accountId) => {
      try {
        await this.options.assessAccount(accountId, derivedId(`icp-${accountId}`, event.id));
      } catch (error) {
        this.#refused(event, error);
      }
    });
    return accountIds.length;
  }

  async #waitForProfiles(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const event of this.#profilesDue()) {
        await this.#handleUntilDone(event, signal);
        if (!signal.aborted) this.#ahead.delete(event.id);
      }
      await this.#pause(signal);
    }
  }

  #profilesDue(): RecordedEvent[] {
    const nowMs = this.options.clock.nowMs();
    return [...this.#ahead.values()].filter((event) => inForceFromMs(event) <= nowMs);
  }

  /** Those that lie ahead still, and the last that came into force meanwhile: accounts are judged by what is in force now. */
  async #findProfilesAhead(): Promise<void> {
    const nowMs = this.options.clock.nowMs();
    let last: RecordedEvent | null = null;
    for (let after: Position | null | undefined; after !== null;) {
      const page = await this.options.log.readAll({
        ...(after === undefined ? {} : { after }),
        filter: { eventTypes: ['IcpActivated'] },
        limit: 1000,
      });
      for (const event of page.events) {
        // What was in force when it was activated was handled then.
        if (inForceFromMs(event) <= effectiveRecordedAtMs(event)) continue;
        if (inForceFromMs(event) > nowMs) this.#ahead.set(event.id, event);
        else if (last === null || inForceFromMs(event) >= inForceFromMs(last)) last = event;
      }
      after = page.next;
    }
    if (last !== null) this.#ahead.set(last.id, last);
  }

  async #send(event: RecordedEvent, command: Omit<LeadFollowUp, 'commandId' | 'causationId'>): Promise<void> {
    try {
      const commandId = derivedId(`${command.name}-${command.leadId}`, event.id);
      await this.options.execute({ ...command, commandId, causationId: event.id });
    } catch (error) {
      this.#refused(event, error);
    }
  }

  /** A lead without a deal, merged or erased, an account that was never registered: nothing to do there. */
  #refused(event: RecordedEvent, error: unknown): void {
    if (isRetryable(error)) throw error;
    if (!(error instanceof LeadError)) this.options.onError?.(event, error);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    try {
      await sleep(this.options.retryMs ?? 1000, undefined, { signal });
    } catch {
      // Aborted: the caller looks.
    }
  }

  async #lastDone(): Promise<Position | null> {
    const [last] = await this.options.log.readStream(STREAM, { direction: 'backwards', limit: 1 });
    const position = last?.data.position;
    return typeof position === 'string' ? position : null;
  }

  async #writeDown({ id, position }: RecordedEvent): Promise<void> {
    const { clock, log, testClock } = this.options;
    const commandId = derivedId('process-accounts', id);
    const occurredAt = toIso(clock.nowMs());
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId,
      commandHash: '',
      $correlationId: commandId,
      $causationId: id,
      actor: { type: 'system', id: 'system:accounts', role: 'system' },
      source: { system: 'worker' },
      tenantId: 'ledger',
      policyRefs: {},
      ...(testClock ? { recordedAt: occurredAt } : {}),
    };
    const done = { id: commandId, type: 'ProcessAdvanced', data: { occurredAt, position }, metadata: { ...metadata } };
    await log.append({ stream: STREAM, expectedRevision: 'any', events: [done] });
  }
}

const inForceFromMs = ({ data }: RecordedEvent): number =>
  Date.parse((data as { effectiveFrom: string }).effectiveFrom);

const RETRYABLE: ReadonlySet<string> = new Set(['STORE_UNAVAILABLE', 'PROJECTION_BEHIND', 'NOT_READY', 'CONFLICT']);
function isRetryable(error: unknown): boolean {
  if (error instanceof LeadError) return error.code === 'CONFLICT';
  if (error instanceof Problem || error instanceof EventLogError) return RETRYABLE.has(error.code);
  return error instanceof Error && 'code' in error && error.code === 'STORE_UNAVAILABLE';
}

async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, work));
}
