import { setTimeout as sleep } from 'node:timers/promises';
import type { LeadCommandInput } from '#apps/api/src/commands/lead-commands.js';
import {
  type EventLog,
  EventLogError,
  type JsonObject,
  type Position,
  type RecordedEvent,
} from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import type { Rep } from '#libs/policy/src/rep.js';

export interface RepProcessOptions {
  readonly log: EventLog;
  readonly nowMs: () => number;
  /** Events say themselves when they were recorded. */
  readonly testClock?: boolean;
  /** The configuration with all that is recorded up to now. */
  readonly policies: () => Promise<PolicyBook>;
  /** Open leads of the person, as of a position at least. Rejects while the views are behind. */
  readonly leadsOf: (ownerId: string, position: Position) => Promise<readonly string[]>;
  readonly execute: (command: LeadCommandInput) => Promise<unknown>;
  /** What nobody foresaw; the process goes on with the next lead. */
  readonly onError?: (leadId: string, error: unknown) => void;
  readonly intervalMs?: number;
}

const REP_LEFT: Actor = { type: 'system', id: 'system:repLeft', role: 'system', teams: [] };
/** How far the process has come, so that a restart goes on where it stopped. */
const STREAM = 'process-reps';
const AT_ONCE = 8;
/** A successor who left has one again; nobody is asked for ever. */
const MOST_SUCCESSORS = 20;

/**
 * The open leads of a person who leaves go to the successor (spec §4.3 RepLeft, §9.6); without one they keep the name of the
 * person and are listed as orphaned. Idempotent: each command's id follows from the leaving and the lead, so any number of
 * workers may run and a leaving may be met again. Resumable: the position is written down behind each leaving.
 */
export class RepProcess {
  #doneTo: Position | null | undefined;

  constructor(private readonly options: RepProcessOptions) {}

  /** Rounds until the signal aborts; an unreachable log or view is tried again in the next. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round().catch((error: unknown) => {
        if (!isOutage(error)) this.options.onError?.('', error);
      });
      await sleep(this.options.intervalMs ?? 1000, undefined, { signal }).catch(() => undefined);
    }
  }

  /** How many leads were given to somebody. Errors: EventLogError, those of the views. */
  async round(): Promise<number> {
    const { log } = this.options;
    this.#doneTo ??= await this.#lastDone();
    const head = await log.head();
    let given = 0;
    for (let after = this.#doneTo; ;) {
      const filter = { streamPrefixes: ['rep-'], eventTypes: ['RepLeft'] };
      const page = await log.readAll({ ...(after === null ? {} : { after }), filter, limit: 100 });
      for (const event of page.events) {
        given += await this.#handOver(event);
        await this.#writeDown(event);
        this.#doneTo = event.position;
      }
      if (page.next === null) break;
      after = page.next;
    }
    if (head !== null && (this.#doneTo === null || this.#doneTo < head)) this.#doneTo = head;
    return given;
  }

  async #handOver(event: RecordedEvent): Promise<number> {
    const { repId } = event.data as { repId: string };
    const policies = await this.options.policies();
    const successor = successorOf(repId, policies);
    if (successor === null) return 0;
    const leadIds = await this.options.leadsOf(repId, event.position);
    let at = 0;
    const work = async () => {
      for (let leadId = leadIds[at++]; leadId !== undefined; leadId = leadIds[at++])
        await this.#give(leadId, successor, event);
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, leadIds.length) }, work));
    return leadIds.length;
  }

  async #give(leadId: string, { repId, teamId }: Rep, event: RecordedEvent): Promise<void> {
    try {
      await this.options.execute({
        name: 'AssignOwner',
        leadId,
        body: { ownerId: repId, teamId, reason: 'owner_left' },
        commandId: derivedId(leadId, event.id),
        actor: REP_LEFT,
        source: { system: 'worker' },
        causationId: event.id,
      });
    } catch (error) {
      // Merged away or erased meanwhile: nobody's any more. Reached by an earlier try, with another successor: theirs.
      if (isOutage(error)) throw error;
      if (!(error instanceof LeadError)) this.options.onError?.(leadId, error);
    }
  }

  async #lastDone(): Promise<Position | null> {
    const [last] = await this.options.log.readStream(STREAM, { direction: 'backwards', limit: 1 });
    const position = last?.data.position;
    return typeof position === 'string' ? position : null;
  }

  async #writeDown({ id, position }: RecordedEvent): Promise<void> {
    const { log, nowMs, testClock } = this.options;
    const commandId = derivedId('process-reps', id);
    const occurredAt = new Date(nowMs()).toISOString();
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId,
      commandHash: '',
      $correlationId: commandId,
      $causationId: id,
      actor: { type: 'system', id: 'system:repLeft', role: 'system' },
      source: { system: 'worker' },
      tenantId: 'ledger',
      policyRefs: {},
      ...(testClock === true ? { recordedAt: occurredAt } : {}),
    };
    const data: JsonObject = { occurredAt, position };
    const done = { id: commandId, type: 'ProcessAdvanced', data, metadata: { ...metadata } };
    await log.append({ stream: STREAM, expectedRevision: 'any', events: [done] });
  }
}

/** Whoever takes over, if the successor has left as well the next one; null: nobody, or the person is back. */
function successorOf(repId: string, policies: PolicyBook): Rep | null {
  let rep = policies.rep(repId);
  if (rep?.active !== false) return null;
  for (let tries = 0; rep?.active === false && tries < MOST_SUCCESSORS; tries += 1)
    rep = rep.successorId === undefined ? null : policies.rep(rep.successorId);
  return rep?.active === true ? rep : null;
}

const OUTAGES: ReadonlySet<unknown> = new Set(['STORE_UNAVAILABLE', 'PROJECTION_BEHIND', 'NOT_READY', 'CONFLICT']);
const isOutage = (error: unknown): boolean =>
  error instanceof EventLogError || OUTAGES.has((error as { code?: unknown } | null)?.code);
