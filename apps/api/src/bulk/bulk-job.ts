import type { EventLog, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { bulkEventSchemas, type BulkStarted } from './bulk-events.js';

/** What became of one lead of a bulk command. */
export type BulkItem =
  | { readonly leadId: string; readonly outcome: 'done'; readonly revision: number; readonly events: readonly string[] }
  | { readonly leadId: string; readonly outcome: 'failed'; readonly code: string }
  | { readonly leadId: string; readonly outcome: 'pending' };
export type BulkStatus = 'running' | 'cancelling' | 'cancelled' | 'finished';

/** A bulk command as its `bulkjob-<id>` stream tells it (spec §4.3 jobs). */
export interface BulkJob {
  readonly id: string;
  readonly started: Omit<BulkStarted, 'actor'> & { readonly actor: Actor };
  /** As stored: its body is opened by who carries it out. */
  readonly first: RecordedEvent;
  readonly requestHash: string;
  readonly startedAtMs: number;
  readonly results: Map<string, BulkItem>;
  failed: number;
  cancelledBy: string | null;
  finishedAtMs: number | null;
  outcome: 'done' | 'cancelled' | null;
  revision: number;
  position: Position;
}

export const BULK_PREFIX = 'bulkjob-';
export const bulkStream = (id: string): string => `${BULK_PREFIX}${id}`;

/** The leads of a job stand in its first event; jobs of the ledger itself (a rescore) go through all leads and name none. */
export const isBulkStart = ({ data, type }: RecordedEvent): boolean =>
  type === 'BulkStarted' && Array.isArray(data.leadIds);

/** The job as far as the log has it; null when there is none of that name. `known` is moved on. Errors: EventLogError. */
export async function loadBulkJob(log: EventLog, id: string, known: BulkJob | null = null): Promise<BulkJob | null> {
  const fromRevision = known === null ? 0 : known.revision + 1;
  let job = known;
  for (const event of await log.readStream(bulkStream(id), { fromRevision })) {
    if (job === null) {
      if (!isBulkStart(event)) return null;
      job = begun(id, event);
    } else evolveBulkJob(job, event);
  }
  return job;
}

function begun(id: string, first: RecordedEvent): BulkJob {
  return {
    id,
    started: startOf(first),
    first,
    requestHash: (first.metadata as unknown as EventMetadata).commandHash,
    startedAtMs: effectiveRecordedAtMs(first),
    results: new Map(),
    failed: 0,
    cancelledBy: null,
    finishedAtMs: null,
    outcome: null,
    revision: first.revision,
    position: first.position,
  };
}

function startOf(first: RecordedEvent): BulkJob['started'] {
  const { actor, ...start } = bulkEventSchemas.BulkStarted.parse(first.data);
  const { onBehalfOf, ...who } = actor;
  return { ...start, actor: onBehalfOf === undefined ? who : { ...who, onBehalfOf } };
}

function evolveBulkJob(job: BulkJob, event: RecordedEvent): void {
  job.revision = event.revision;
  job.position = event.position;
  switch (event.type) {
    case 'BulkItemDone': {
      const { events, leadId, revision } = bulkEventSchemas.BulkItemDone.parse(event.data);
      job.results.set(leadId, { leadId, outcome: 'done', revision, events });
      return;
    }
    case 'BulkItemFailed': {
      const { code, leadId } = bulkEventSchemas.BulkItemFailed.parse(event.data);
      job.results.set(leadId, { leadId, outcome: 'failed', code });
      job.failed += 1;
      return;
    }
    case 'BulkCancelled':
      job.cancelledBy ??= bulkEventSchemas.BulkCancelled.parse(event.data).by;
      return;
    case 'BulkFinished':
      job.finishedAtMs = effectiveRecordedAtMs(event);
      job.outcome = bulkEventSchemas.BulkFinished.parse(event.data).outcome;
      return;
    default:
  }
}

export function statusOf({ cancelledBy, finishedAtMs, outcome }: BulkJob): BulkStatus {
  if (finishedAtMs !== null) return outcome === 'cancelled' ? 'cancelled' : 'finished';
  return cancelledBy === null ? 'running' : 'cancelling';
}

export function countsOf({ failed, results, started }: BulkJob) {
  const total = started.leadIds.length;
  return { total, done: results.size - failed, failed, pending: total - results.size };
}

/** Every lead of the job in its order, those not reached yet as pending. */
export const itemsOf = ({ results, started }: BulkJob): BulkItem[] =>
  started.leadIds.map((leadId) => results.get(leadId) ?? { leadId, outcome: 'pending' });
