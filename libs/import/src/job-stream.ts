import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EventLog, JsonObject, NewEvent, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import type { ImportActor } from './history-writer.js';

/** Events of `importjob-<importId>` (spec §4.3). `rowNo` counts the data rows of the primary file from 1. */
const rowNo = z.int().min(1);
const at = { occurredAt: z.string() };
export const jobEventSchemas = {
  ImportStarted: z.object({
    ...at,
    /** Name of the mapping. */
    source: z.string(),
    mappingDigest: z.string(),
    /** sha256 over the files' own hashes. */
    fileHash: z.string(),
    /** Data rows of the primary file. */
    rows: z.int(),
  }),
  ImportRowAccepted: z.object({ ...at, rowNo, leadId: z.string(), events: z.int() }),
  ImportRowSkipped: z.object({ ...at, rowNo, reason: z.string(), leadId: z.string().optional() }),
  ImportRowRejected: z.object({
    ...at,
    rowNo,
    errorCode: z.string(),
    field: z.string().optional(),
    /** Set when it is a row of another file than the primary. */
    file: z.string().optional(),
  }),
  ImportFinished: z.object({ ...at, counts: z.object({ accepted: z.int(), skipped: z.int(), rejected: z.int() }) }),
} as const;
type JobEventType = keyof typeof jobEventSchemas;
export type JobEvent = {
  [T in JobEventType]: { readonly type: T; readonly data: Omit<z.infer<(typeof jobEventSchemas)[T]>, 'occurredAt'> };
}[JobEventType];

export interface Counts {
  readonly accepted: number;
  readonly skipped: number;
  readonly rejected: number;
}

export type RowOutcome = 'accepted' | 'skipped' | 'rejected';
export interface RowResult {
  readonly rowNo: number;
  readonly outcome: RowOutcome;
  readonly leadId?: string;
  readonly events?: number;
  readonly code?: string;
  readonly field?: string;
  /** Of a row that is not in the primary file. */
  readonly file?: string;
  readonly reason?: string;
}

export const jobStream = (importId: string): string => `importjob-${importId}`;
export const IMPORT_JOB_PREFIX = 'importjob-';

const PAGE = 2000;
const ACCEPTED = 1;
const SKIPPED = 2;

/** Where a job stands: the fold of its stream. A byte a row, so that a million rows are a megabyte. */
export class JobState {
  source = '';
  rows = 0;
  startedAt: string | null = null;
  /** Null while rows are outstanding. */
  finishedAt: string | null = null;
  /** Of the stream; -1 while there is none. */
  revision = -1;
  readonly #done = { accepted: 0, skipped: 0 };
  /** By row: 0, or one of the codes below. */
  #outcomes = new Uint8Array(1024);
  /** By file and row: what was last said about a row that was refused. */
  readonly #rejected = new Map<string, string>();

  get counts(): Counts {
    return { ...this.#done, rejected: this.#rejected.size };
  }

  /** Accepted or skipped: never tried again. What a run before the last finish accepted is skipped by the present one. */
  doneAs(rowNo: number): 'accepted' | 'skipped' | null {
    const outcome = this.#outcomes[rowNo] ?? 0;
    return outcome === 0 ? null : outcome === ACCEPTED ? 'accepted' : 'skipped';
  }

  /** Was this row refused before, for just this reason? Then there is nothing new to write down. */
  isKnownReject({ file, rowNo, errorCode, field }: z.infer<typeof jobEventSchemas.ImportRowRejected>): boolean {
    return this.#rejected.get(rejectKey(file, rowNo)) === rejectReason(errorCode, field);
  }

  isRejected(file: string | undefined, rowNo: number): boolean {
    return this.#rejected.has(rejectKey(file, rowNo));
  }

  /** Each revision counts once, however often it is read. */
  apply(event: { readonly type: string; readonly data: JsonObject }, revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    switch (event.type as JobEventType) {
      case 'ImportStarted': {
        const data = jobEventSchemas.ImportStarted.parse(event.data);
        Object.assign(this, { source: data.source, rows: data.rows, startedAt: data.occurredAt });
        return;
      }
      case 'ImportRowAccepted':
        return this.#settle(jobEventSchemas.ImportRowAccepted.parse(event.data).rowNo, 'accepted');
      case 'ImportRowSkipped':
        return this.#settle(jobEventSchemas.ImportRowSkipped.parse(event.data).rowNo, 'skipped');
      case 'ImportRowRejected': {
        const data = jobEventSchemas.ImportRowRejected.parse(event.data);
        this.finishedAt = null;
        this.#rejected.set(rejectKey(data.file, data.rowNo), rejectReason(data.errorCode, data.field));
        return;
      }
      case 'ImportFinished':
        this.finishedAt = jobEventSchemas.ImportFinished.parse(event.data).occurredAt;
        this.#outcomes = this.#outcomes.map((outcome) => (outcome === 0 ? 0 : SKIPPED));
    }
  }

  #settle(rowNo: number, outcome: 'accepted' | 'skipped'): void {
    this.finishedAt = null;
    if (rowNo >= this.#outcomes.length) {
      const longer = new Uint8Array(Math.max(rowNo + 1, this.#outcomes.length * 2));
      longer.set(this.#outcomes);
      this.#outcomes = longer;
    }
    if (this.#outcomes[rowNo] === 0) this.#done[outcome]++;
    this.#outcomes[rowNo] = outcome === 'accepted' ? ACCEPTED : SKIPPED;
    this.#rejected.delete(rejectKey(undefined, rowNo));
  }
}

const rejectKey = (file: string | undefined, rowNo: number): string => `${file ?? ''}:${rowNo}`;
const rejectReason = (code: string, field: string | undefined): string => `${code} ${field ?? ''}`;

/** Folds what the job's stream holds beyond `state`. Null when no such job ever started. */
export async function loadJob(log: EventLog, importId: string, state = new JobState()): Promise<JobState | null> {
  for await (const event of readJob(log, importId, state.revision + 1)) state.apply(event, event.revision);
  return state.revision < 0 ? null : state;
}

async function* readJob(log: EventLog, importId: string, from = 0): AsyncGenerator<RecordedEvent> {
  for (let fromRevision = from; ;) {
    const events = await log.readStream(jobStream(importId), { fromRevision, limit: PAGE });
    yield* events;
    if (events.length < PAGE) return;
    fromRevision = events.at(-1)!.revision + 1;
  }
}

/** Outcomes row by row as they were last said, from a revision of the stream on; `next` is where the following page begins. */
export async function rowResults(
  log: EventLog,
  importId: string,
  state: JobState,
  ask: { readonly outcome?: RowOutcome | undefined; readonly from: number; readonly limit: number },
): Promise<{ readonly rows: readonly RowResult[]; readonly next: number | null }> {
  const rows: RowResult[] = [];
  for await (const event of readJob(log, importId, ask.from)) {
    if (rows.length === ask.limit) return { rows, next: event.revision };
    const row = rowResult(event);
    if (row === null || (ask.outcome !== undefined && row.outcome !== ask.outcome)) continue;
    // Refused once and accepted later.
    if (row.outcome === 'rejected' && !state.isRejected(row.file, row.rowNo)) continue;
    rows.push(row);
  }
  return { rows, next: null };
}

function rowResult({ type, data }: RecordedEvent): RowResult | null {
  switch (type) {
    case 'ImportRowAccepted': {
      const { rowNo, leadId, events } = jobEventSchemas.ImportRowAccepted.parse(data);
      return { rowNo, outcome: 'accepted', leadId, events };
    }
    case 'ImportRowSkipped': {
      const { rowNo, leadId, reason } = jobEventSchemas.ImportRowSkipped.parse(data);
      return { rowNo, outcome: 'skipped', reason, ...(leadId !== undefined && { leadId }) };
    }
    case 'ImportRowRejected': {
      const { rowNo, errorCode, field, file } = jobEventSchemas.ImportRowRejected.parse(data);
      return { rowNo, outcome: 'rejected', code: errorCode, ...(field !== undefined && { field }), ...(file !== undefined && { file }) }; // prettier-ignore
    }
    default:
      return null;
  }
}

/** Writes a job's stream: in order, in large appends, fenced by revision (a second runner of the same job fails). */
export class JobRecorder {
  readonly #pending: JobEvent[] = [];
  /** What an unanswered append holds: sent again as it was, so that it is the same append. */
  #sending: readonly NewEvent[] = [];
  /** What this runner calls itself: its retried append is the same append, another runner's is not. */
  readonly #runner = randomUUID();
  readonly #metadata: JsonObject;

  constructor(
    private readonly log: EventLog,
    private readonly importId: string,
    private readonly state: JobState,
    private readonly nowMs: () => number,
    actor: ImportActor,
  ) {
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId: importId,
      commandHash: createHash('sha256').update(importId).digest('hex'),
      $correlationId: importId,
      $causationId: importId,
      actor: { type: actor.type, id: actor.id, role: actor.role },
      source: { system: 'import', importJobId: importId },
      tenantId: 'ledger',
      policyRefs: {},
    };
    this.#metadata = { ...metadata };
  }

  get pending(): number {
    return this.#pending.length;
  }

  add(event: JobEvent): void {
    this.#pending.push(event);
  }

  /** Errors: EventLogError. What was not written stays pending; one flush at a time. */
  async flush(): Promise<void> {
    while (this.#sending.length > 0 || this.#pending.length > 0) {
      const first = this.state.revision + 1;
      if (this.#sending.length === 0) {
        const occurredAt = new Date(this.nowMs()).toISOString();
        this.#sending = this.#pending
          .splice(0, PAGE)
          .map(({ type, data }, n) => this.#event(first + n, type, { occurredAt, ...data }));
      }
      const expectedRevision = first === 0 ? 'no_stream' : first - 1;
      await this.log.append({ stream: jobStream(this.importId), expectedRevision, events: this.#sending });
      this.#sending.forEach((event, n) => this.state.apply(event, first + n));
      this.#sending = [];
    }
  }

  #event(revision: number, type: string, data: JsonObject): NewEvent {
    return { id: derivedId(`${this.#runner}/${revision}`, this.importId), type, data, metadata: this.#metadata };
  }
}
