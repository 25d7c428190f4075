import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeadCommandInput } from '#apps/api/src/commands/lead-commands.js';
import { EventLogError, type EventLog, type JsonObject, type Position } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { Activation, ModelBook } from '#libs/scoring/src/model-book.js';

const SCORING: Actor = { type: 'system', id: 'system:scoring', role: 'system', teams: [] };
/** Of the ids of these jobs: the same activation is the same job, whichever worker runs it. */
const NAMESPACE = '5c0e1ead-0000-5000-8000-000000000001';
const PAGE = 1000;
/** Many at once share a commit of the log. */
const AT_ONCE = 64;
const EVERY_MS = 1000;

export interface RescoringOptions {
  readonly log: EventLog;
  readonly models: ModelBook;
  readonly nowMs: () => number;
  /** Events say themselves when they were recorded (test clock). */
  readonly testClock?: boolean;
  readonly execute: (command: LeadCommandInput) => Promise<unknown>;
  /** Leads between two records of how far it has come. */
  readonly pageSize?: number;
  /** A lead that could not be scored; the job goes on without it. */
  readonly onError?: (leadId: string, error: unknown) => void;
}

interface Progress {
  revision: number;
  /** Captures up to here are done. */
  after: Position | undefined;
  done: number;
  failed: number;
  finished: boolean;
}

/**
 * Scores the leads there are under a model that was activated with `rescoreExisting` (spec §5.4, §9.6). It walks the captures in
 * the order of the log and writes into `bulkjob-<id>` how far it has come, page by page: who is cut off goes on there. A lead that
 * is met twice, or has been scored under the model meanwhile, is left as it is; leads captured later need nothing.
 */
export class Rescoring {
  #done: Activation['model'] | null = null;

  constructor(private readonly options: RescoringOptions) {}

  /** Rounds until the signal aborts; an outage is tried again in the next. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round(signal).catch((error: unknown) => this.options.onError?.('', error));
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** How many leads were gone through; 0 when there is nothing to do or it is done. Errors: EventLogError. */
  async round(signal?: AbortSignal): Promise<number> {
    const activation = this.#activation();
    if (activation === null || activation.model === this.#done) return 0;
    const job = jobOf(activation);
    let progress = await this.#progress(job);
    if (progress.revision < 0) {
      const { modelId, version } = activation.model;
      await this.#tell(job, progress, 'BulkStarted', { command: 'RescoreLead', modelId, modelVersion: version });
      progress = await this.#progress(job);
    }
    const before = progress.done + progress.failed;
    while (!progress.finished) {
      if (signal?.aborted === true) return progress.done + progress.failed - before;
      progress = await this.#page(job, activation, progress);
    }
    this.#done = activation.model;
    return progress.done + progress.failed - before;
  }

  #activation(): Activation | null {
    const activation = this.options.models.activation(this.options.nowMs());
    return activation?.rescoreExisting === true ? activation : null;
  }

  async #page(job: string, { model }: Activation, progress: Progress): Promise<Progress> {
    if (this.#activation()?.model !== model) {
      await this.#tell(job, progress, 'BulkFinished', { outcome: 'superseded', ...countsOf(progress) });
      return this.#progress(job);
    }
    const { events, next } = await this.options.log.readAll({
      ...(progress.after === undefined ? {} : { after: progress.after }),
      filter: { streamPrefixes: ['lead-'], eventTypes: ['LeadCaptured'] },
      limit: this.options.pageSize ?? PAGE,
    });
    const now = { ...progress, after: next ?? events.at(-1)?.position ?? progress.after };
    const leads = events.map(({ stream }) => stream.slice('lead-'.length));
    let at = 0;
    const work = async () => {
      for (let leadId = leads[at++]; leadId !== undefined; leadId = leads[at++]) {
        if (await this.#rescore(job, leadId)) now.done += 1;
        else now.failed += 1;
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, leads.length) }, work));
    if (next !== null) await this.#tell(job, now, 'BulkProgressed', { after: next, ...countsOf(now) });
    else await this.#tell(job, now, 'BulkFinished', { outcome: 'done', ...countsOf(now) });
    return this.#progress(job);
  }

  /** False when the lead refuses; an outage is thrown. */
  async #rescore(job: string, leadId: string): Promise<boolean> {
    const command = {
      name: 'RescoreLead',
      leadId,
      body: {},
      commandId: derivedId(leadId, job),
      actor: SCORING,
    } as const;
    try {
      await this.options.execute({ ...command, source: { system: 'worker', bulkJobId: job }, correlationId: job });
      return true;
    } catch (error) {
      if (error instanceof EventLogError) throw error;
      // Merged away or erased meanwhile: nothing to score.
      if (!(error instanceof LeadError)) this.options.onError?.(leadId, error);
      return false;
    }
  }

  async #progress(job: string): Promise<Progress> {
    const progress: Progress = { revision: -1, after: undefined, done: 0, failed: 0, finished: false };
    for (const { data, revision, type } of await this.options.log.readStream(`bulkjob-${job}`)) {
      progress.revision = revision;
      if (typeof data.done === 'number') progress.done = data.done;
      if (typeof data.failed === 'number') progress.failed = data.failed;
      if (typeof data.after === 'string') progress.after = data.after;
      if (type === 'BulkFinished') progress.finished = true;
    }
    return progress;
  }

  /** Another worker that has come as far has told it already: then its word counts. */
  async #tell(job: string, { revision }: Progress, type: string, data: JsonObject): Promise<void> {
    const occurredAt = new Date(this.options.nowMs()).toISOString();
    const id = derivedId(`${type} ${revision + 1}`, job);
    const event = { id, type, data: { occurredAt, ...data }, metadata: this.#metadata(job, occurredAt) };
    const expectedRevision = revision < 0 ? 'no_stream' : revision;
    try {
      await this.options.log.append({ stream: `bulkjob-${job}`, expectedRevision, events: [event] });
    } catch (error) {
      if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
    }
  }

  #metadata(job: string, recordedAt: string): JsonObject {
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId: job,
      commandHash: createHash('sha256').update(job).digest('hex'),
      $correlationId: job,
      $causationId: job,
      actor: { type: SCORING.type, id: SCORING.id, role: SCORING.role },
      source: { system: 'worker', bulkJobId: job },
      tenantId: 'ledger',
      policyRefs: {},
      ...(this.options.testClock === true ? { recordedAt } : {}),
    };
    return { ...metadata };
  }
}

const countsOf = ({ done, failed }: Progress) => ({ done, failed });

const jobOf = ({ fromMs, model: { modelId, version } }: Activation): string =>
  derivedId(`rescore ${modelId} ${version} ${fromMs}`, NAMESPACE);
