import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { type EventLog, EventLogError, type JsonObject, type Position } from '#libs/event-log/src/event-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { EventMetadata } from '#libs/event-log/src/metadata.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { type Clock, toIso } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Problem } from '#libs/platform/src/problem.js';
import { problemOf } from '#libs/platform/src/problem-filter.js';
import type { Settings } from '#libs/platform/src/settings.js';
import { CLOCK, EVENT_LOG, LOGGER, SETTINGS } from '#libs/platform/src/tokens.js';
import { hashOfCommand } from '../commands/canonical-json.js';
import { type WhatIfCompleted, type WhatIfKind } from './what-if-events.js';
import {
  loadWhatIf,
  packResult,
  resultOf,
  WHAT_IF_PREFIX,
  type WhatIfRun,
  whatIfStream,
  type WhatIfStatus,
} from './what-if-run.js';

/** What a run makes: figures for the list, the whole answer, and how much of the log it saw. */
export interface WhatIfAnswer {
  readonly summary: JsonObject;
  readonly result: JsonObject;
  readonly datasetPosition: Position | null;
}
/** The work of one run. It ends soon after `signal` aborts, by throwing whatever it likes. A coded error is told to who asked. */
export type WhatIfWork = (run: {
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  readonly progress: (share: number) => void;
}) => Promise<WhatIfAnswer>;

export interface WhatIfStart {
  /** A uuid; the same with the same request is the same run. */
  readonly id: string;
  readonly kind: WhatIfKind;
  readonly name: string | null;
  /** Checked, with what was left out filled in. */
  readonly request: JsonObject;
  readonly actor: Actor;
}

/** A run as `/v1/replays`, `/v1/tunings` and `/v1/sla-replays` tell it. */
export interface WhatIfCard {
  readonly id: string;
  readonly name: string | null;
  readonly status: WhatIfStatus;
  /** From 0 to 1. */
  readonly progress: number;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly finishedAt: string | null;
  readonly datasetPosition: Position | null;
  readonly request: JsonObject;
  readonly summary: JsonObject | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}
export interface WhatIfTold extends WhatIfCard {
  readonly result: JsonObject | null;
  readonly resultSha256: string | null;
}

interface Active {
  readonly kind: WhatIfKind;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** Ends it before its turn has come. */
  readonly cancelWaiting: () => Promise<void>;
  running: boolean;
  progress: number;
}

const MOST_WAITING = 20;
const MOST_LISTED = 100;

/**
 * What-if runs of every kind: begun, watched, cancelled, kept. They go one after the other; each leaves two events in its own
 * stream and none anywhere else. A run whose process died is told as `interrupted`; the same request may be sent again.
 */
@Injectable()
export class WhatIfRuns implements BeforeApplicationShutdown {
  readonly #active = new Map<string, Active>();
  /** Their beginning is being written. */
  readonly #beginning = new Set<string>();
  #queue: Promise<void> = Promise.resolve();

  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** What is under way is told as interrupted afterwards. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const { stop } of this.#active.values()) stop.abort(INTERRUPTED);
    await this.#queue;
  }

  /** Errors: COMMAND_ID_REUSED, RATE_LIMITED, EventLogError; then nothing is begun. */
  async start(start: WhatIfStart, work: WhatIfWork): Promise<WhatIfTold> {
    const { actor, id, kind, name, request } = start;
    const commandHash = hashOfCommand('RequestWhatIf', null, { kind, name, request });
    const wasUnderWay = this.#isUnderWay(id);
    const known = await loadWhatIf(this.log, id);
    const isInterrupted = known?.completed === null && !known.forgotten && !wasUnderWay && !this.#isUnderWay(id);
    if (known !== null) sameRequest(known, commandHash);
    if (known !== null && !isInterrupted) return this.#told(known);
    if (this.#active.size + this.#beginning.size >= MOST_WAITING)
      throw new LeadError('RATE_LIMITED', `${MOST_WAITING} runs are waiting already`, { retryable: true });
    if (known !== null) {
      this.#enqueue(id, kind, commandHash, actor, work);
      return this.#told(known);
    }
    const occurredAt = toIso(this.clock.nowMs());
    const metadata = this.#metadata(id, commandHash, actor, occurredAt);
    const data = { occurredAt, kind, name, by: actor.id, request };
    const event = { id: derivedId('WhatIfRequested', id), type: 'WhatIfRequested', data, metadata };
    this.#beginning.add(id);
    try {
      await this.log.append({ stream: whatIfStream(id), expectedRevision: 'no_stream', events: [event] });
    } catch (error) {
      if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
      return this.#told(sameRequest(await this.#run(kind, id), commandHash));
    } finally {
      this.#beginning.delete(id);
    }
    this.#enqueue(id, kind, commandHash, actor, work);
    return this.#told(await this.#run(kind, id));
  }

  /** As it is when it is over, at the latest after `waitMs`. @throws Problem NOT_FOUND */
  async settled(kind: WhatIfKind, id: string, waitMs: number): Promise<WhatIfTold> {
    const active = this.#active.get(id);
    if (active !== undefined && waitMs > 0) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)));
      await Promise.race([active.done, late]);
      clearTimeout(timer);
    }
    return this.#told(await this.#run(kind, id));
  }

  /** Newest first, at most 100, without their results. */
  async list(kind: WhatIfKind): Promise<WhatIfCard[]> {
    const cards: WhatIfCard[] = [];
    let after: Position | undefined;
    while (cards.length < MOST_LISTED) {
      const { events, next } = await this.log.readAll({
        ...(after === undefined ? {} : { after }),
        direction: 'backwards',
        filter: { streamPrefixes: [WHAT_IF_PREFIX], eventTypes: ['WhatIfRequested'] },
        limit: MOST_LISTED,
      });
      for (const { data, stream } of events) {
        if (data.kind !== kind || cards.length === MOST_LISTED) continue;
        const run = await loadWhatIf(this.log, stream.slice(WHAT_IF_PREFIX.length));
        if (run !== null && !run.forgotten) cards.push(this.#card(run));
      }
      if (next === null) break;
      after = next;
    }
    return cards;
  }

  /** Cancels what is not over; forgets what is. For who asked for it, ops and admin. @throws Problem NOT_FOUND, FORBIDDEN_ROLE */
  async remove(kind: WhatIfKind, id: string, actor: Actor): Promise<WhatIfTold> {
    const run = await this.#run(kind, id);
    if (actor.id !== run.requested.by && actor.role !== 'ops' && actor.role !== 'admin')
      throw new Problem('FORBIDDEN_ROLE', 'who asked for it, ops and admin remove a run', { required: ['ops'] });
    const active = this.#active.get(id);
    if (active !== undefined) {
      active.stop.abort(CANCELLED);
      await (active.running ? active.done : active.cancelWaiting());
      return this.#told(await this.#run(kind, id));
    }
    const occurredAt = toIso(this.clock.nowMs());
    const metadata = this.#metadata(id, run.commandHash, actor, occurredAt);
    const data = { occurredAt, by: actor.id };
    const event = { id: derivedId('WhatIfForgotten', id), type: 'WhatIfForgotten', data, metadata };
    await this.log.append({ stream: whatIfStream(id), expectedRevision: 'any', events: [event] });
    return this.#told({ ...run, forgotten: true });
  }

  #enqueue(id: string, kind: WhatIfKind, commandHash: string, actor: Actor, work: WhatIfWork): void {
    const stop = new AbortController();
    const end = async (completed: WhatIfCompleted): Promise<void> => {
      const metadata = this.#metadata(id, commandHash, actor, completed.occurredAt);
      const event = { id: derivedId('WhatIfCompleted', id), type: 'WhatIfCompleted', data: { ...completed }, metadata };
      await this.log.append({ stream: whatIfStream(id), expectedRevision: 'any', events: [event] });
    };
    const run = async (): Promise<void> => {
      // Its end is kept already.
      if (stop.signal.reason === CANCELLED) return;
      active.running = true;
      const completed = await this.#carriedOut(active, work);
      if (completed !== null) await end(completed);
    };
    const done = this.#queue
      .then(run)
      .catch((error: unknown) => {
        this.logger.error({ err: error, whatIfId: id }, 'the end of a what-if run could not be kept');
      })
      .then(() => void this.#active.delete(id));
    const cancelWaiting = () => end({ occurredAt: this.#now(), datasetPosition: null, outcome: 'cancelled' });
    const active: Active = { kind, stop, running: false, progress: 0, done, cancelWaiting };
    this.#active.set(id, active);
    this.#queue = done;
  }

  /** null: the process stops, and the run has no end. */
  async #carriedOut(active: Active, work: WhatIfWork): Promise<WhatIfCompleted | null> {
    const { signal } = active.stop;
    try {
      signal.throwIfAborted();
      const progress = (share: number) => (active.progress = Math.min(1, Math.max(active.progress, share)));
      const { datasetPosition, result, summary } = await work({ signal, progress });
      const completed = { occurredAt: this.#now(), outcome: 'done' as const, datasetPosition, summary };
      return { ...completed, result: await packResult(result) };
    } catch (error) {
      if (signal.aborted && signal.reason === INTERRUPTED) return null;
      const ended = { occurredAt: this.#now(), datasetPosition: null };
      if (signal.aborted) return { ...ended, outcome: 'cancelled' };
      const problem = problemOf(error);
      if (problem === null || problem.status >= 500) this.logger.error({ err: error }, 'a what-if run failed');
      const { code, detail } = problem ?? { code: 'INTERNAL_ERROR', detail: 'the log of the server says why' };
      return { ...ended, outcome: 'failed', error: { code, detail } };
    }
  }

  async #run(kind: WhatIfKind, id: string): Promise<WhatIfRun> {
    const run = await loadWhatIf(this.log, id);
    if (run === null || run.kind !== kind || run.forgotten) throw new Problem('NOT_FOUND', `there is no ${kind} ${id}`);
    return run;
  }

  #card(run: WhatIfRun): WhatIfCard {
    const { completed, id, requested } = run;
    const active = this.#active.get(id);
    const open = active === undefined ? 'interrupted' : active.running ? 'running' : 'queued';
    return {
      id,
      name: requested.name,
      status: completed?.outcome ?? open,
      progress: completed?.outcome === 'done' ? 1 : (active?.progress ?? 0),
      requestedBy: requested.by,
      requestedAt: requested.occurredAt,
      finishedAt: completed?.occurredAt ?? null,
      datasetPosition: completed?.datasetPosition ?? null,
      request: requested.request,
      summary: completed?.summary ?? null,
      error: completed?.error ?? null,
    };
  }

  async #told(run: WhatIfRun): Promise<WhatIfTold> {
    const resultSha256 = run.completed?.result?.sha256 ?? null;
    return { ...this.#card(run), result: await resultOf(run), resultSha256 };
  }

  #isUnderWay(id: string): boolean {
    return this.#active.has(id) || this.#beginning.has(id);
  }

  #now(): string {
    return toIso(this.clock.nowMs());
  }

  #metadata(id: string, commandHash: string, actor: Actor, recordedAt: string): JsonObject {
    const { onBehalfOf, role, type } = actor;
    const metadata: EventMetadata = {
      schemaVersion: 1,
      commandId: id,
      commandHash,
      $correlationId: id,
      $causationId: id,
      actor: { type, id: actor.id, role, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) },
      source: { system: 'api' },
      tenantId: 'ledger',
      policyRefs: {},
      ...(this.settings.testClock ? { recordedAt } : {}),
    };
    return { ...metadata };
  }
}

const CANCELLED = 'cancelled';
const INTERRUPTED = 'interrupted';

function sameRequest(run: WhatIfRun, hash: string): WhatIfRun {
  if (run.commandHash === hash) return run;
  throw new LeadError('COMMAND_ID_REUSED', 'another run was begun under this id');
}
