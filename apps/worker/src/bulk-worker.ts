import { setTimeout as sleep } from 'node:timers/promises';
import {
  BULK_PREFIX,
  type BulkJob,
  bulkStream,
  countsOf,
  isBulkStart,
  loadBulkJob,
} from '#apps/api/src/bulk/bulk-job.js';
import type { LeadCommandAnswer, LeadCommandInput } from '#apps/api/src/commands/lead-commands.js';
import {
  type EventLog,
  EventLogError,
  type JsonObject,
  type NewEvent,
  type Position,
} from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import type { KeyVault } from '#libs/privacy/src/key-vault.js';
import { open } from '#libs/privacy/src/sealed-fields.js';

export interface BulkWorkerOptions {
  readonly log: EventLog;
  readonly vault: KeyVault;
  readonly nowMs: () => number;
  /** Events say themselves when they were recorded. */
  readonly testClock?: boolean;
  readonly execute: (command: LeadCommandInput) => Promise<LeadCommandAnswer>;
  /** A job that cannot go on now, or a lead that failed in a way nobody foresaw. */
  readonly onError?: (jobId: string, error: unknown) => void;
  /** Leads between two records of their results. */
  readonly pageSize?: number;
  readonly intervalMs?: number;
}

const PAGE = 100;
/** Commands of other people go between: a job takes few of the places there are, and rests as long as it has worked. */
const AT_ONCE = 8;
const LONGEST_REST_MS = 250;
const MOST_TRIES = 3;

/**
 * Carries out bulk commands (spec §9.7): each lead gets a command of its own, in the name of whoever began the job, under an id
 * that follows from job and lead. A worker that is cut off leaves a stream that tells which leads have an answer; the next one
 * goes on with the others, and a lead that was reached and not written down answers as it did the first time. Of two workers on
 * one job the log takes each result once.
 */
export class BulkWorker {
  readonly #open = new Set<string>();
  #scannedTo: Position | undefined;

  constructor(private readonly options: BulkWorkerOptions) {}

  /** Rounds until the signal aborts; an outage is tried again in the next. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round(signal).catch((error: unknown) => this.options.onError?.('', error));
      await sleep(this.options.intervalMs ?? 250, undefined, { signal }).catch(() => undefined);
    }
  }

  /** How many jobs came to their end. Errors: EventLogError. */
  async round(signal?: AbortSignal): Promise<number> {
    await this.#lookForJobs();
    let finished = 0;
    for (const jobId of this.#open) {
      if (signal?.aborted === true) break;
      try {
        if (!(await this.#work(jobId, signal))) continue;
        finished += 1;
        this.#open.delete(jobId);
      } catch (error) {
        if (error instanceof EventLogError || (error as { code?: unknown }).code === 'STORE_UNAVAILABLE') throw error;
        this.options.onError?.(jobId, error);
        // One that can never be read must not keep the others waiting.
        this.#open.delete(jobId);
      }
    }
    return finished;
  }

  async #lookForJobs(): Promise<void> {
    const { log } = this.options;
    // Read first: what comes later is found from here on.
    const head = await log.head();
    const filter = { streamPrefixes: [BULK_PREFIX], eventTypes: ['BulkStarted', 'BulkFinished'] };
    for (let after = this.#scannedTo; ;) {
      const page = await log.readAll({ ...(after === undefined ? {} : { after }), filter, limit: 1000 });
      for (const event of page.events) {
        const jobId = event.stream.slice(BULK_PREFIX.length);
        if (isBulkStart(event)) this.#open.add(jobId);
        else if (event.type === 'BulkFinished') this.#open.delete(jobId);
      }
      if (page.next === null) break;
      after = page.next;
    }
    this.#scannedTo = head ?? undefined;
  }

  /** True when the job is over. */
  async #work(jobId: string, signal?: AbortSignal): Promise<boolean> {
    const { log } = this.options;
    let job = await loadBulkJob(log, jobId);
    if (job === null || job.finishedAtMs !== null) return true;
    const body = await this.#bodyOf(job);
    while (signal?.aborted !== true) {
      const left = this.#left(job);
      if (left.length === 0) {
        await this.#tell(job, [this.#event(job, 'BulkFinished', { outcome: outcomeOf(job), ...totalsOf(job) })]);
      } else {
        const begunMs = performance.now();
        const results = await this.#carryOut(job, body, left.slice(0, this.options.pageSize ?? PAGE));
        await this.#tell(job, results);
        await rest(Math.min(performance.now() - begunMs, LONGEST_REST_MS), signal);
      }
      job = (await loadBulkJob(log, jobId, job)) as BulkJob;
      if (job.finishedAtMs !== null) return true;
    }
    return false;
  }

  #left({ cancelledBy, results, started }: BulkJob): string[] {
    return cancelledBy === null ? started.leadIds.filter((leadId) => !results.has(leadId)) : [];
  }

  async #carryOut(job: BulkJob, body: unknown, leadIds: readonly string[]): Promise<NewEvent[]> {
    const results: NewEvent[] = [];
    let at = 0;
    const work = async () => {
      for (let index = at++; index < leadIds.length; index = at++) {
        results[index] = await this.#carryOutOne(job, body, leadIds[index] as string);
      }
    };
    // All of them end before anything is thrown: nobody goes on behind the caller's back.
    const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
    return results;
  }

  async #carryOutOne(job: BulkJob, body: unknown, leadId: string): Promise<NewEvent> {
    const { actor, command } = job.started;
    const input: LeadCommandInput = {
      name: command,
      leadId,
      body,
      commandId: derivedId(leadId, job.id),
      actor,
      source: { system: 'bulk', bulkJobId: job.id },
      correlationId: job.id,
      causationId: job.first.id,
    };
    for (let tries = 1; ; tries += 1) {
      try {
        const { events, revision } = await this.options.execute(input);
        const types = events.map(({ type }) => type);
        return this.#event(job, 'BulkItemDone', { leadId, revision, events: types }, leadId);
      } catch (error) {
        const problem = problemOf(error);
        if (problem?.code === 'STORE_UNAVAILABLE') throw error;
        // Somebody worked with the lead at that moment: on what it is now, the command is as good as before.
        if (problem?.code === 'CONFLICT' && tries < MOST_TRIES) continue;
        if (problem === null) this.options.onError?.(job.id, error);
        return this.#event(job, 'BulkItemFailed', { leadId, code: problem?.code ?? 'INTERNAL_ERROR' }, leadId);
      }
    }
  }

  async #bodyOf({ first, id }: BulkJob): Promise<unknown> {
    const key = await this.options.vault.existing(id);
    if (key === null) throw new Error(`the key of bulk job ${id} is gone`);
    return open(first.data, key, `${id}/${first.id}`).body;
  }

  /** Another worker has written, or somebody has cancelled: what stands in the stream counts, and the rest is told again. */
  async #tell(job: BulkJob, results: readonly NewEvent[]): Promise<void> {
    const { log } = this.options;
    for (;;) {
      const left = results.filter(({ data }) => !job.results.has(data.leadId as string));
      if (left.length === 0 || job.finishedAtMs !== null) return;
      try {
        await log.append({ stream: bulkStream(job.id), expectedRevision: job.revision, events: left });
        return;
      } catch (error) {
        if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
        await loadBulkJob(log, job.id, job);
      }
    }
  }

  #event(job: BulkJob, type: string, data: JsonObject, name: string = type): NewEvent {
    const occurredAt = new Date(this.options.nowMs()).toISOString();
    const id = derivedId(`result ${name}`, job.id);
    const { commandHash } = job.first.metadata;
    const metadata = {
      schemaVersion: 1,
      commandId: id,
      commandHash,
      $correlationId: job.id,
      $causationId: job.first.id,
      actor: { type: 'system', id: 'system:bulk', role: 'system' },
      source: { system: 'worker', bulkJobId: job.id },
      tenantId: 'ledger',
      policyRefs: {},
      ...(this.options.testClock === true ? { recordedAt: occurredAt } : {}),
    };
    return { id, type, data: { occurredAt, ...data }, metadata };
  }
}

const outcomeOf = ({ cancelledBy }: BulkJob): string => (cancelledBy === null ? 'done' : 'cancelled');
function totalsOf(job: BulkJob) {
  const { done, failed, pending } = countsOf(job);
  return { done, failed, notReached: pending };
}

async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
