import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type History, readHistory } from '#apps/projector/src/history.js';
import { HISTORY } from '#apps/projector/src/history.controller.js';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { scoringEncoder } from '#libs/history/src/encode-scoring.js';
import { ReplayThreads } from '#libs/history/src/replay-threads.js';
import type { ScoringHistory } from '#libs/history/src/scoring-history.js';
import type { HistoryTables } from '#libs/history/src/table.js';
import { TablesOfLog } from '#libs/history/src/tables-of-log.js';
import { SCORING_TABLES } from '#libs/history/src/tables-scoring.js';
import { invalid } from '#libs/platform/src/problem.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';

/** A history that begins to be written, of a large log, takes its time. */
const CATCH_UP_MS = 300_000;

/** The past as replays loop over it, and the threads they loop on. One past at a time is kept. */
@Injectable()
export class ScoringHistories implements OnApplicationShutdown {
  readonly threads = new ReplayThreads();
  #kept: { readonly to: Position | null; readonly history: ScoringHistory } | null = null;

  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(HISTORY) private readonly history: History,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.threads.close();
  }

  /**
   * All up to and with a position; undefined: all there is. A position of the past is read from the log again.
   * @throws Problem VALIDATION_FAILED for a position that the log has not reached, NOT_READY, PROJECTION_BEHIND
   */
  async upTo(position: Position | undefined, signal: AbortSignal): Promise<ScoringHistory> {
    if (position !== undefined && position > ((await this.log.head()) ?? ''))
      throw invalid('position', 'the log has not come there yet');
    // Runs leave events themselves: only what happened to leads is new.
    const page = await this.log.readAll({ direction: 'backwards', limit: 1, filter: { streamPrefixes: ['lead-'] } });
    const latest = page.events[0]?.position ?? null;
    const past = position !== undefined && latest !== null && position < latest ? position : undefined;
    const to = past ?? latest;
    if (this.#kept === null || this.#kept.to !== to) {
      // Let go of before the next one is made: both at once may be more than there is memory for.
      this.#kept = null;
      const tables = past === undefined ? await this.#now(latest) : await this.#then(past, signal);
      signal.throwIfAborted();
      this.#kept = { to, history: await this.threads.build(tables, SCORING_TABLES) };
    }
    const { history } = this.#kept;
    return { ...history, position: position ?? later(history.position, to) };
  }

  #now(head: Position | null): Promise<HistoryTables> {
    const after = head === null ? null : { position: head, timeoutMs: CATCH_UP_MS };
    return readHistory(this.history, SCORING_TABLES, after);
  }

  async #then(position: Position, signal: AbortSignal): Promise<HistoryTables> {
    const past = new TablesOfLog(this.log, (context) => [scoringEncoder(context)]);
    await past.readTo(position, signal);
    return past.tables;
  }
}

/** The columns end with the last event that is in them; the log may go on with others that change nothing here. */
const later = (a: Position | null, b: Position | null): Position | null =>
  a === null || b === null ? (a ?? b) : a > b ? a : b;
