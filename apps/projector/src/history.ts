import { join } from 'node:path';
import { DataDirLock } from '#libs/event-log/src/data-dir-lock.js';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { ENCODING_VERSION, encodersOf } from '#libs/history/src/encoding.js';
import {
  HistoryKeeper,
  type HistoryVerification,
  type KeeperNotice,
  tablesOf,
} from '#libs/history/src/history-keeper.js';
import { type HistoryNotice, type HistoryStats, HistoryStore } from '#libs/history/src/history-store.js';
import { receivedTables, type SentTables } from '#libs/history/src/sent-tables.js';
import type { HistoryTables, Table } from '#libs/history/src/table.js';
import { type Clock, SystemClock } from '#libs/platform/src/clock.js';
import type { PlainLogger } from '#libs/platform/src/logging.js';
import { Problem } from '#libs/platform/src/problem.js';
import { exportTable, type ExportedTable, type TableExport } from '#apps/api/src/export/table-export.js';

export interface HistoryStatus extends HistoryStats {
  readonly position: Position | null;
  readonly head: Position | null;
  readonly lag: { readonly events: number; readonly seconds: number } | null;
  readonly tables: readonly string[];
}

/** The columnar history, of this thread or of the one that keeps it. What crosses can be cloned; columns are shared. */
export interface History {
  status(): Promise<HistoryStatus>;
  /** Whether the log is in up to there, after `timeoutMs` at most. */
  caughtUp(position: Position, timeoutMs: number): Promise<boolean>;
  /** Tables by name. Problem NOT_FOUND: there is no such table. */
  send(tables: readonly string[]): Promise<SentTables>;
  /** Compares what is kept with the log encoded anew; reads all of both. */
  verify(): Promise<HistoryVerification>;
  /** Writes one table, or none of several, as a file of its own folder, which the asker deletes. */
  export(what: TableExport): Promise<ExportedTable>;
}

/** These tables as they are now, or as soon as they are caught up with `after`. Problem PROJECTION_BEHIND: not in time. */
export async function readHistory(
  history: History,
  tables: readonly Table[],
  after: { readonly position: Position; readonly timeoutMs: number } | null = null,
): Promise<HistoryTables> {
  if (after !== null && !(await history.caughtUp(after.position, after.timeoutMs)))
    throw new Problem('PROJECTION_BEHIND', 'the history is behind the log; try again', { retryable: true });
  return receivedTables(await history.send(tables.map(({ name }) => name)));
}

export interface HistoryOptions {
  readonly log: EventLog;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: PlainLogger;
}

/** The history that is kept here. A folder that cannot be used leaves the ledger without a history, and everything else at work. */
export class RunningHistory implements History {
  readonly #options: HistoryOptions;
  readonly #machine = new SystemClock();
  #lock: DataDirLock | null = null;
  #store: HistoryStore | null = null;
  #keeper: HistoryKeeper | null = null;
  #unusable = 'the history has not started yet';

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dataDir, log, logger } = this.#options;
    const directory = join(dataDir, 'history');
    const onNotice = (notice: HistoryNotice | KeeperNotice): void => this.#tell(notice);
    try {
      this.#lock = DataDirLock.acquire(directory);
      const startedMs = this.#machine.nowMs();
      const tables = tablesOf(encodersOf);
      this.#store = await HistoryStore.open({ directory, tables, encodingVersion: ENCODING_VERSION, onNotice });
      const { bytes, segments } = this.#store.stats;
      logger.info({ bytes, segments, ms: this.#machine.nowMs() - startedMs }, 'history: verified');
      this.#keeper = new HistoryKeeper({ log, store: this.#store, encodersOf, onNotice });
      this.#keeper.start();
    } catch (error) {
      this.#unusable = `the history cannot be used: ${(error as Error).message}`;
      logger.error({ err: error, directory }, 'history: cannot be used; the ledger goes on without it');
    }
  }

  async stop(): Promise<void> {
    await this.#keeper?.stop();
    this.#lock?.release();
  }

  async status(): Promise<HistoryStatus> {
    const { clock, log } = this.#options;
    const { keeper, store } = this.#usable();
    return {
      position: store.position,
      head: await log.head().catch((): Position | null => null),
      lag: await keeper.lag(clock.nowMs()).catch(() => null),
      ...store.stats,
      tables: keeper.tables.map(({ name }) => name),
    };
  }

  async caughtUp(position: Position, timeoutMs: number): Promise<boolean> {
    return this.#usable().keeper.caughtUp(position, timeoutMs);
  }

  async send(names: readonly string[]): Promise<SentTables> {
    const { keeper } = this.#usable();
    const tables = names.map((name) => this.#table(name));
    return keeper.using((held) => held.send(tables));
  }

  async verify(): Promise<HistoryVerification> {
    return this.#usable().keeper.verify();
  }

  async export(what: TableExport): Promise<ExportedTable> {
    const { keeper } = this.#usable();
    const table = this.#table(what.table);
    return keeper.using((held) => exportTable(held, table, what));
  }

  #table(name: string): Table {
    const { tables } = this.#usable().keeper;
    const table = tables.find((one) => one.name === name);
    if (table !== undefined) return table;
    throw new Problem(
      'NOT_FOUND',
      `the history has no table ${name}; it has ${tables.map((one) => one.name).join(', ')}`,
    );
  }

  #usable(): { readonly keeper: HistoryKeeper; readonly store: HistoryStore } {
    if (this.#keeper === null || this.#store === null)
      throw new Problem('NOT_READY', this.#unusable, { retryable: true });
    return { keeper: this.#keeper, store: this.#store };
  }

  #tell(notice: HistoryNotice | KeeperNotice): void {
    const { kind, ...facts } = notice;
    const fields = 'error' in facts ? { ...facts, error: undefined, err: facts.error } : facts;
    const level = kind === 'failed' || kind === 'not_encoded' ? 'error' : kind === 'resumed' ? 'info' : 'warn';
    this.#options.logger[level](fields, `history: ${kind.replaceAll('_', ' ')}`);
  }
}
