import { setTimeout as sleep } from 'node:timers/promises';
import { MERGE_SET } from '#libs/read-models/src/duplicates.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';

export interface MergeResumerOptions {
  /** The read models as they are now; null before the first fill. */
  readonly view: () => Promise<ReadView | null>;
  readonly nowMs: () => number;
  /** Finishes a merge that was left in the middle; nothing happens to a finished one. */
  readonly resume: (survivorLeadId: string, mergeId: string) => Promise<void>;
  readonly onError: (survivorLeadId: string, error: unknown) => void;
  readonly intervalMs?: number;
}

/** A merge is taken back within 30 days: none that moved before that was left behind by a process that may still be asked. */
const FIRST_LOOK_MS = 31 * 86_400_000;
/** Younger ones are still on their way; older ones were looked at in the round before. */
const ON_ITS_WAY_MS = 30_000;
const OVERLAP_MS = 600_000;

/**
 * Looks after merges whose process stopped between two streams (spec §2.6, §9.6). The read models say which leads survived
 * one lately; whether anything is missing their own streams tell.
 */
export class MergeResumer {
  #sinceMs: number | null = null;
  /** Those that could not be finished, to be tried again. */
  readonly #left = new Map<string, number>();

  constructor(private readonly options: MergeResumerOptions) {}

  /** How many merges were looked at. */
  async round(): Promise<number> {
    const { nowMs, onError, resume, view } = this.options;
    const models = await view();
    if (models === null) return 0;
    const startedMs = nowMs();
    const range = { min: this.#sinceMs ?? startedMs - FIRST_LOOK_MS, max: startedMs - ON_ITS_WAY_MS };
    const merges = new Map([...this.#left, ...(await models.scored(MERGE_SET, range))]);
    this.#left.clear();
    for (const [member, movedMs] of merges) {
      const [survivorLeadId = '', mergeId = ''] = member.split('/');
      try {
        await resume(survivorLeadId, mergeId);
      } catch (error) {
        // A merge that had to be given up is over; only the log being away leaves anything to do.
        if ((error as { code?: unknown }).code === 'STORE_UNAVAILABLE') this.#left.set(member, movedMs);
        onError(survivorLeadId, error);
      }
    }
    this.#sinceMs = startedMs - OVERLAP_MS;
    return merges.size;
  }

  /** Rounds until the signal aborts; resolves after the round at hand. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.round();
      } catch (error) {
        this.options.onError('', error);
      }
      try {
        await sleep(this.options.intervalMs ?? 60_000, undefined, { signal });
      } catch {
        return;
      }
    }
  }
}
