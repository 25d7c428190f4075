import { buildScoringHistory } from './build-scoring-history.js';
import { compileModel } from '#libs/scoring/src/compile.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { fastKernel, type ReplayKernel } from './replay-kernel.js';
import { replayModel, type ReplayOutput, type ReplayScope } from './replay-model.js';
import { judged, type NumberedResult, type ReplayRequest } from './replay.js';
import type { ScoringHistory } from './scoring-history.js';
import type { ColumnArray, Dictionary, HistoryTables } from './table.js';
import { tune, type TuningRequest, type TuningResult } from './tune.js';
import { TuningError } from './tuning.js';

/** What is asked of a replay thread: only what can be cloned, large arrays by sharing them. */
export type ReplayCall =
  | { readonly do: 'build'; readonly tables: ClonedTables }
  | { readonly do: 'load'; readonly history: ScoringHistory }
  | { readonly do: 'kernel'; readonly candidate: ClonedCandidate; readonly scope: ReplayScope; readonly out: ReplayOutput; readonly control: Int32Array }
  | { readonly do: 'judge'; readonly request: ClonedRequest; readonly outputs: readonly ReplayOutput[] }
  | { readonly do: 'tune'; readonly request: TuningRequest; readonly active: ClonedCandidate | null; readonly compareWith: readonly ClonedCandidate[]; readonly control: Int32Array }; // prettier-ignore

export interface ClonedCandidate {
  readonly name: string;
  readonly modelId: string;
  readonly version: number;
  readonly document: ScoringModelDocument;
}
export type ClonedRequest = Omit<ReplayRequest, 'candidates'> & { readonly candidates: readonly ClonedCandidate[] };

/** Tables without the ids of leads, which nothing that a thread does asks for. */
export interface ClonedTables {
  readonly position: string | null;
  readonly leads: number;
  readonly dictionaries: Readonly<Record<string, Dictionary['values']>>;
  readonly tables: Readonly<Record<string, readonly ColumnArray[]>>;
}

/** Places in `control`: the next lead that nobody has taken (of a tuning: thousandths that are done), and whether all is to stop. */
export const CONTROL = { next: 0, stop: 1 } as const;
/** A `TuningError` as it can be cloned. */
export interface Refusal {
  readonly refused: string;
}
/** Leads that a thread takes at once: some milliseconds. */
const PIECE = 8192;
/** Functions made for models last asked about stay compiled. */
const KERNELS_KEPT = 8;

/** One thread's side: the history it holds, and the loops over it. */
export class ReplayCalls {
  #history: ScoringHistory | null = null;
  readonly #kernels = new Map<string, ReplayKernel>();

  async answer(call: ReplayCall): Promise<unknown> {
    switch (call.do) {
      case 'build':
        return buildScoringHistory(tablesOf(call.tables));
      case 'load':
        this.#history = call.history;
        this.#kernels.clear();
        return null;
      case 'kernel':
        return this.#run(call);
      case 'judge':
        return this.#judge(call);
      case 'tune':
        return this.#tune(call);
    }
  }

  async #run({ candidate, control, out, scope }: Extract<ReplayCall, { do: 'kernel' }>): Promise<null> {
    const history = this.#loaded();
    const kernel = this.#kernelOf(candidate, history);
    const leads = history.leads.count;
    for (;;) {
      const from = Atomics.add(control, CONTROL.next, PIECE);
      if (from >= leads || Atomics.load(control, CONTROL.stop) !== 0) return null;
      kernel(from, Math.min(leads, from + PIECE), scope, out);
      await this.turn();
    }
  }

  #judge({ outputs, request }: Extract<ReplayCall, { do: 'judge' }>): NumberedResult {
    const candidates = request.candidates.map((candidate) => ({ name: candidate.name, model: compiled(candidate) }));
    return judged(this.#loaded(), { ...request, candidates }, outputs);
  }

  #tune({ active, compareWith, control, request }: Extract<ReplayCall, { do: 'tune' }>): TuningResult | Refusal {
    const named = (candidate: ClonedCandidate) => ({ name: candidate.name, model: compiled(candidate) });
    const others = { active: active === null ? null : named(active), compareWith: compareWith.map(named) };
    try {
      return tune(this.#loaded(), request, others, (share) => {
        Atomics.store(control, CONTROL.next, Math.floor(share * 1000));
        if (Atomics.load(control, CONTROL.stop) !== 0) throw new Error('told to stop');
      });
    } catch (error) {
      if (error instanceof TuningError) return { refused: error.message };
      throw error;
    }
  }

  #kernelOf(candidate: ClonedCandidate, history: ScoringHistory): ReplayKernel {
    const key = JSON.stringify(candidate.document);
    let kernel = this.#kernels.get(key);
    if (kernel === undefined) {
      kernel = fastKernel(replayModel(compiled(candidate), history), history);
      const [oldest] = this.#kernels.keys();
      if (this.#kernels.size >= KERNELS_KEPT && oldest !== undefined) this.#kernels.delete(oldest);
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  #loaded(): ScoringHistory {
    if (this.#history === null) throw new Error('no history is loaded');
    return this.#history;
  }

  /** Where the loop shares its thread with others, they get on here. */
  protected turn(): Promise<void> | undefined {
    return undefined;
  }
}

const compiled = ({ document, modelId, version }: ClonedCandidate) => compileModel(document, { modelId, version });

function tablesOf({ dictionaries, leads, position, tables }: ClonedTables): HistoryTables {
  const codeOf = (): never => {
    throw new Error('a thread gives no new numbers');
  };
  return {
    position,
    leadIds: Array.from<string>({ length: leads }),
    dictionary: (name) => ({ values: dictionaries[name] ?? [null], codeOf }),
    table: ({ name }) => {
      const columns = tables[name] ?? [];
      return { rows: columns[0]?.length ?? 0, columns };
    },
  };
}
