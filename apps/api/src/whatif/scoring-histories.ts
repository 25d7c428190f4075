import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { History } from '#apps/projector/src/history.js';
import { HISTORY } from '#apps/projector/src/history.controller.js';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { scoringEncoder } from '#libs/history/src/encode-scoring.js';
import { LeadIndex } from '#libs/history/src/lead-index.js';
import { ReplayThreads } from '#libs/history/src/replay-threads.js';
import type { ScoringHistory } from '#libs/history/src/scoring-history.js';
import type { SentLeads } from '#libs/history/src/sent-leads.js';
import { receivedTables } from '#libs/history/src/sent-tables.js';
import type { HistoryTables } from '#libs/history/src/table.js';
import { TablesOfLog } from '#libs/history/src/tables-of-log.js';
import { REPLAYED_TABLES } from '#libs/history/src/tables-scoring.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
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
      this.#kept = { to, history: await this.threads.build(tables, REPLAYED_TABLES) };
    }
    const { history } = this.#kept;
    return { ...history, position: position ?? later(history.position, to) };
  }

  async #now(head: Position | null): Promise<HistoryTables> {
    if (head !== null && !(await this.history.caughtUp(head, CATCH_UP_MS)))
      throw new Problem('PROJECTION_BEHIND', 'the history is behind the log; try again', { retryable: true });
    const sent = await this.history.send(REPLAYED_TABLES.map(({ name }) => name));
    const tables = receivedTables(sent);
    return {
      position: tables.position,
      leadIds: await idsOf(sent.leads),
      dictionary: (name) => tables.dictionary(name),
      table: (table) => tables.table(table),
    };
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

/** Ids that are made at once: a millisecond or two. */
const PIECE = 4096;

/** A million texts, while commands have their turn. */
async function idsOf({ count, others, words }: SentLeads): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; from < count; from += PIECE) {
    const piece = words.subarray(4 * from, 4 * Math.min(count, from + PIECE));
    for (const id of LeadIndex.idsOf({ count: piece.length / 4, words: piece, others: [] })) ids.push(id);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [lead, id] of others) ids[lead] = id;
  return ids;
}
