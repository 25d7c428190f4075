import { Worker } from 'node:worker_threads';
import {
  type ClonedCandidate,
  type ClonedTables,
  CONTROL,
  type Refusal,
  type ReplayCall,
  ReplayCalls,
} from './replay-calls.js';
import { replayOutput } from './replay-kernel.js';
import type { ReplayOutput } from './replay-model.js';
import { type Candidate, type NumberedResult, type ReplayRequest, scopeOf } from './replay.js';
import type { ScoringHistory } from './scoring-history.js';
import type { HistoryTables, Table } from './table.js';
import type { TuningRequest, TuningResult } from './tune.js';
import { TuningError } from './tuning.js';

export interface ReplayRun {
  readonly signal?: AbortSignal | undefined;
  /** From 0 to 1. */
  readonly progress?: ((share: number) => void) | undefined;
}

/** Someone who answers calls one after the other. */
interface Hand {
  ask(call: ReplayCall): Promise<unknown>;
  close(): Promise<void>;
}

const PROGRESS_EVERY_MS = 50;
/** Idle threads are let go of, with the memory they hold. */
const IDLE_MS = 60_000;
/** Of a run's time: looking through the leads, the rest being the figures. */
const LOOKING = 0.9;

/**
 * Replays on threads of their own, so that whoever asks goes on answering others. Where the sources run as they are (tests), there
 * are no threads: the same loops run here, in pieces. One run at a time.
 */
export class ReplayThreads {
  #hands: Hand[] = [];
  /** Whose steps the threads hold. */
  #loaded: ScoringHistory['steps'] | null = null;
  #idle: NodeJS.Timeout | undefined;
  /** What is under way: threads answer one call at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly threads = 2,
    private readonly inline = import.meta.url.endsWith('.ts'),
  ) {}

  /** The history of these tables. Errors: whatever a damaged table brings. */
  async build(tables: HistoryTables, read: readonly Table[]): Promise<ScoringHistory> {
    return this.#working(async ([first]) => {
      const cloned = clonedTables(tables, read);
      const history = (await first!.ask({ do: 'build', tables: cloned })) as ScoringHistory;
      return { ...history, leads: { ...history.leads, leadIds: tables.leadIds } };
    });
  }

  /** All figures but those that ask for names and capacities (`toldResult`). Rejects soon after `signal` aborts. */
  async run(history: ScoringHistory, request: ReplayRequest, run: ReplayRun = {}): Promise<NumberedResult> {
    const { progress = () => undefined } = run;
    return this.#working(async (hands) => {
      run.signal?.throwIfAborted();
      await this.#load(hands, history);
      const { candidates } = request;
      const outputs: ReplayOutput[] = [];
      for (const [n, candidate] of candidates.entries()) {
        const share = (part: number) => progress((LOOKING * (n + part)) / candidates.length);
        outputs.push(await this.#look(hands, history, request, candidate, { ...run, progress: share }));
      }
      const cloned = { ...request, candidates: candidates.map(clonedCandidate) };
      const result = (await hands[0]!.ask({ do: 'judge', request: cloned, outputs })) as NumberedResult;
      run.signal?.throwIfAborted();
      progress(1);
      return result;
    });
  }

  /** What the kernel finds of every lead under one model. */
  async look(history: ScoringHistory, request: ReplayRequest, candidate: Candidate, run: ReplayRun = {}) {
    return this.#working(async (hands) => {
      await this.#load(hands, history);
      return this.#look(hands, history, request, candidate, run);
    });
  }

  /** Fits and tests a model. Rejects soon after `signal` aborts; @throws TuningError TOO_FEW_EXAMPLES */
  async tune(
    history: ScoringHistory,
    request: TuningRequest,
    others: { readonly active: Candidate | null; readonly compareWith: readonly Candidate[] },
    { progress = () => undefined, signal }: ReplayRun = {},
  ): Promise<TuningResult> {
    return this.#working(async (hands) => {
      signal?.throwIfAborted();
      await this.#load(hands, history);
      const control = new Int32Array(new SharedArrayBuffer(8));
      const stop = () => Atomics.store(control, CONTROL.stop, 1);
      signal?.addEventListener('abort', stop);
      const timer = setInterval(() => progress(Atomics.load(control, CONTROL.next) / 1000), PROGRESS_EVERY_MS);
      try {
        const active = others.active === null ? null : clonedCandidate(others.active);
        const compareWith = others.compareWith.map(clonedCandidate);
        const call = { do: 'tune', request, active, compareWith, control } as const;
        const answer = (await hands[0]!.ask(call)) as TuningResult | Refusal;
        if ('refused' in answer) throw new TuningError(answer.refused);
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        clearInterval(timer);
        signal?.removeEventListener('abort', stop);
      }
    });
  }

  async #look(
    hands: readonly Hand[],
    history: ScoringHistory,
    request: ReplayRequest,
    candidate: Candidate,
    { progress = () => undefined, signal }: ReplayRun,
  ): Promise<ReplayOutput> {
    const leads = history.leads.count;
    const out = replayOutput(leads);
    const control = new Int32Array(new SharedArrayBuffer(8));
    const stop = () => Atomics.store(control, CONTROL.stop, 1);
    signal?.addEventListener('abort', stop);
    const timer = setInterval(() => {
      progress(Math.min(1, Atomics.load(control, CONTROL.next) / Math.max(1, leads)));
    }, PROGRESS_EVERY_MS);
    try {
      const call = { do: 'kernel', candidate: clonedCandidate(candidate), scope: scopeOf(request), out, control } as const; // prettier-ignore
      await Promise.all(hands.map((hand) => hand.ask(call)));
      signal?.throwIfAborted();
      return out;
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #load(hands: readonly Hand[], history: ScoringHistory): Promise<void> {
    if (this.#loaded === history.steps) return;
    // Ids are text, which threads do not share and do not need.
    const numbered = { ...history, leads: { ...history.leads, leadIds: [] } };
    await Promise.all(hands.map((hand) => hand.ask({ do: 'load', history: numbered })));
    this.#loaded = history.steps;
  }

  #working<T>(work: (hands: readonly Hand[]) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#worked(work));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #worked<T>(work: (hands: readonly Hand[]) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    if (this.#hands.length === 0) {
      this.#hands = this.inline ? [inlineHand()] : Array.from({ length: this.threads }, threadHand);
    }
    try {
      return await work(this.#hands);
    } catch (error) {
      // Whatever state they are in now, the next run gets new ones.
      await this.close();
      throw error;
    } finally {
      this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#loaded = null;
    await Promise.all(this.#hands.splice(0).map((hand) => hand.close()));
  }
}

function threadHand(): Hand {
  const worker = new Worker(new URL('./replay-thread.js', import.meta.url));
  worker.unref();
  let waiting: { resolve: (value: unknown) => void; reject: (error: unknown) => void } | null = null;
  const settle = (how: 'resolve' | 'reject', value: unknown) => {
    worker.unref();
    waiting?.[how](value);
    waiting = null;
  };
  worker.on('message', (answer: { value: unknown } | { error: unknown }) =>
    'error' in answer ? settle('reject', answer.error) : settle('resolve', answer.value),
  );
  worker.on('error', (error) => settle('reject', error));
  worker.on('exit', (code) => settle('reject', new Error(`a replay thread ended with ${code}`)));
  return {
    ask: (call) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        worker.ref();
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
        worker.postMessage(call);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

function inlineHand(): Hand {
  const calls = new (class extends ReplayCalls {
    protected override turn() {
      return new Promise<void>((resolve) => setImmediate(resolve));
    }
  })();
  return { ask: (call) => calls.answer(call), close: () => Promise.resolve() };
}

const clonedCandidate = ({ model, name }: Candidate): ClonedCandidate => ({
  name,
  modelId: model.modelId,
  version: model.version,
  document: model.document,
});

function clonedTables(tables: HistoryTables, read: readonly Table[]): ClonedTables {
  const names = new Set(read.flatMap(({ columns }) => columns.flatMap(({ dictionary }) => dictionary ?? [])));
  return {
    position: tables.position,
    leads: tables.leadIds.length,
    dictionaries: Object.fromEntries(Array.from(names, (name) => [name, tables.dictionary(name).values])),
    tables: Object.fromEntries(read.map((table) => [table.name, tables.table(table).columns])),
  };
}
