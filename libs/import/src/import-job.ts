import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EventLog, EventLogError } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { HistoryContext, HistoryOutcome, HistoryToWrite, HistoryWriter, ImportActor } from './history-writer.js';
import { joinFiles, type Joined, type JoinedLead } from './join.js';
import { type Counts, JobRecorder, JobState, loadJob } from './job-stream.js';
import { checkedCommands, isRefusal, leadHistory, type Refusal, type TimedCommand } from './lead-history.js';
import type { Mapping } from './mapping.js';
import { type Reject, RejectsFile } from './rejects-file.js';
import { readRecords, type SourceFile, type SourceRecord } from './source-file.js';

/** Leads a write; one write is one round trip to the log, several are under way. */
const BATCH = 128;
const WRITES_UNDER_WAY = 3;
/** Row outcomes are written down in appends of about this many. */
const OUTCOMES_AN_APPEND = 1000;
const MAX_PAUSE_MS = 10_000;

export interface ImportJobSettings {
  readonly log: EventLog;
  readonly writer: HistoryWriter;
  readonly nowMs: () => number;
  readonly importId: string;
  readonly mapping: Mapping;
  readonly files: readonly SourceFile[];
  /** sha256 over the files' hashes. */
  readonly fileHash: string;
  /** For what does not fit into memory and for the rejects file. */
  readonly directory: string;
  readonly actor: ImportActor;
  readonly signal?: AbortSignal;
  readonly heldBytes?: number;
}

export interface ImportProgress {
  readonly counts: Counts;
  /** Data rows of the primary file; 0 until they are counted. */
  readonly rows: number;
  /** How many of them are through. */
  readonly rowsDone: number;
}

export const rejectsPath = (directory: string): string => join(directory, 'rejects.ndjson');

interface PreparedLead {
  readonly rowNo: number;
  readonly lead: JoinedLead;
  readonly commands: readonly TimedCommand[];
  readonly history: HistoryToWrite;
}

/**
 * One run of an import, from its files into the log.
 *
 * Guarantees: a lead is written whole or not at all; ids derive from the import, the lead's key and the command's place, so a
 * run after a crash, or of a finished import, adds nothing twice; rows already accepted or skipped are not touched again,
 * refused rows are tried again; a finished import without refused rows appends nothing at all. While the log is away the run
 * waits for it.
 */
export class ImportJob {
  #state = new JobState();
  #rows = 0;
  #rowsDone = 0;
  readonly #counts = { accepted: 0, skipped: 0, rejected: 0 };
  #recorder!: JobRecorder;
  #rejects!: RejectsFile;

  constructor(private readonly settings: ImportJobSettings) {}

  get progress(): ImportProgress {
    return { counts: { ...this.#counts }, rows: this.#rows, rowsDone: Math.min(this.#rowsDone, this.#rows) };
  }

  /** Counts of this run: what a finished one accepted before is now skipped. Null: aborted, to be gone on with another time. */
  async run(): Promise<Counts | null> {
    const { log, importId, mapping, nowMs, actor } = this.settings;
    const earlier = await this.#persistently(() => loadJob(log, importId));
    if (earlier !== null && isSettled(earlier)) return asSkipped(earlier);
    this.#state = earlier ?? new JobState();
    this.#recorder = new JobRecorder(log, importId, this.#state, nowMs, actor);
    this.#rows = await this.#countRows();
    if (earlier === null) {
      const { fileHash } = this.settings;
      const started = { source: mapping.name, mappingDigest: mapping.digest, fileHash, rows: this.#rows };
      this.#recorder.add({ type: 'ImportStarted', data: started });
      await this.#persistently(() => this.#recorder.flush());
    }
    this.#rejects = await RejectsFile.open(rejectsPath(this.settings.directory));
    try {
      const through = await this.#throughAllRows();
      await this.#persistently(() => this.#recorder.flush());
      if (!through) return this.#abandon();
      if (this.#state.finishedAt === null) {
        this.#recorder.add({ type: 'ImportFinished', data: { counts: this.#state.counts } });
        await this.#persistently(() => this.#recorder.flush());
      }
      await this.#rejects.finish();
      return { ...this.#counts };
    } catch (error) {
      await this.#rejects.abandon();
      if (this.settings.signal?.aborted === true) return null;
      throw error;
    }
  }

  async #abandon(): Promise<null> {
    await this.#rejects.abandon();
    return null;
  }

  /** Also finds a wrong header before anything is written. */
  async #countRows(): Promise<number> {
    let rows = 0;
    for (const file of this.settings.files) {
      if (file.file !== this.settings.mapping.primary) {
        const records = readRecords(file, false);
        await records.next();
        await records.return(undefined);
        continue;
      }
      for await (const batch of readRecords(file, false)) rows += batch.length;
    }
    return rows;
  }

  /** False when it was aborted on the way. */
  async #throughAllRows(): Promise<boolean> {
    const { mapping, files, directory, signal, heldBytes } = this.settings;
    const underWay: Promise<void>[] = [];
    let batch: PreparedLead[] = [];
    const send = async (): Promise<void> => {
      if (batch.length === 0) return;
      const write = this.#write(batch);
      // It is awaited later; until then its failure must not count as unhandled.
      write.catch(() => undefined);
      underWay.push(write);
      batch = [];
      if (underWay.length >= WRITES_UNDER_WAY) await underWay.shift();
    };
    for await (const joined of joinFiles(mapping, files, join(directory, 'spool'), heldBytes)) {
      if (signal?.aborted === true) break;
      const prepared = await this.#prepare(joined);
      if (prepared === null) continue;
      batch.push(prepared);
      if (batch.length === BATCH) await send();
      if (this.#recorder.pending >= OUTCOMES_AN_APPEND) await this.#persistently(() => this.#recorder.flush());
    }
    await send();
    await Promise.all(underWay);
    return signal?.aborted !== true;
  }

  /** Null: nothing to write, the row's outcome is settled. */
  async #prepare(joined: Joined): Promise<PreparedLead | null> {
    if (joined.kind === 'stray') {
      await this.#reject(joined);
      return null;
    }
    const { lead } = joined;
    const { mapping, importId } = this.settings;
    const [first] = lead.records.get(mapping.primary)!;
    const { rowNo } = first!;
    const done = this.#state.doneAs(rowNo);
    if (done !== null) {
      this.#count(lead, done);
      return null;
    }
    if (lead.repeated) {
      this.#recorder.add({ type: 'ImportRowSkipped', data: { rowNo, reason: 'duplicate_row' } });
      this.#count(lead, 'skipped');
      return null;
    }
    const history = leadHistory(mapping, lead);
    if (isRefusal(history)) {
      await this.#refuse(lead, history);
      return null;
    }
    const ids = history.commands.map((_, n) => derivedId(`${history.externalRow}/${n}`, importId));
    const leadId = derivedId('lead', ids[0]!);
    const commands = checkedCommands(history, leadId);
    if (isRefusal(commands)) {
      await this.#refuse(lead, commands);
      return null;
    }
    const numbered = commands.map((command, n) => ({ id: ids[n]!, command }));
    return { rowNo, lead, commands: history.commands, history: { leadId, commands: numbered } };
  }

  async #write(batch: readonly PreparedLead[]): Promise<void> {
    const { writer, importId, mapping, actor } = this.settings;
    const context: HistoryContext = { importId, outOfOrder: mapping.outOfOrder, actor };
    const histories = batch.map(({ history }) => history);
    const outcomes = await this.#persistently(() => writer.write(histories, context));
    for (const [n, prepared] of batch.entries()) await this.#settle(prepared, outcomes[n]!);
  }

  async #settle({ rowNo, lead, commands }: PreparedLead, outcome: HistoryOutcome): Promise<void> {
    switch (outcome.outcome) {
      case 'accepted': {
        const { leadId, events } = outcome;
        this.#recorder.add({ type: 'ImportRowAccepted', data: { rowNo, leadId, events } });
        this.#count(lead, 'accepted');
        return;
      }
      case 'skipped': {
        const { leadId, reason } = outcome;
        this.#recorder.add({ type: 'ImportRowSkipped', data: { rowNo, reason, leadId } });
        this.#count(lead, 'skipped');
        return;
      }
      case 'rejected': {
        const { code, field, message, command } = outcome;
        const { record } = commands[command] ?? commands[0]!;
        await this.#refuse(lead, { code, message, record, ...(field !== undefined && { field }) });
      }
    }
  }

  #count(lead: JoinedLead, outcome: 'accepted' | 'skipped'): void {
    this.#counts[outcome]++;
    this.#rowsDone += rowsOf(lead, this.settings.mapping);
  }

  /** The row to blame says why; the lead's other rows come along in the rejects file, so that it can be corrected and sent again. */
  async #refuse(lead: JoinedLead, { record, code, field, message }: Refusal): Promise<void> {
    this.#rowsDone += rowsOf(lead, this.settings.mapping) - 1;
    const [first] = lead.records.get(this.settings.mapping.primary)!;
    await this.#reject({ record, code, field, message }, first);
    for (const records of lead.records.values()) {
      for (const other of records) {
        if (other === record) continue;
        const why = `row ${record.rowNo} of ${record.file}, of the same lead, was refused: ${code}`;
        await this.#rejects.add({ record: other, code: 'LEAD_REFUSED', message: why });
      }
    }
  }

  /** `row`: under which row the outcome is booked: the lead's first, or the row itself when it is no lead's. */
  async #reject(reject: Reject, row: SourceRecord = reject.record): Promise<void> {
    const isPrimary = row.file === this.settings.mapping.primary;
    const data = {
      rowNo: row.rowNo,
      errorCode: reject.code,
      ...(reject.field !== undefined && { field: reject.field }),
      ...(!isPrimary && { file: row.file }),
    };
    if (!this.#state.isKnownReject({ occurredAt: '', ...data }))
      this.#recorder.add({ type: 'ImportRowRejected', data });
    await this.#rejects.add(reject);
    this.#counts.rejected++;
    if (isPrimary) this.#rowsDone++;
  }

  /** An outage of the log is waited out. */
  async #persistently<T>(act: () => Promise<T>): Promise<T> {
    const { signal } = this.settings;
    for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      try {
        return await act();
      } catch (error) {
        const away = error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE';
        if (!away || signal?.aborted === true) throw error;
      }
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}

const rowsOf = (lead: JoinedLead, mapping: Mapping): number => lead.records.get(mapping.primary)!.length;

/** Finished, and no refused row left to try again. */
export const isSettled = (state: JobState): boolean => state.finishedAt !== null && state.counts.rejected === 0;

export const asSkipped = ({ counts }: JobState): Counts => ({
  accepted: 0,
  skipped: counts.accepted + counts.skipped,
  rejected: counts.rejected,
});
