import type { SilenceLimit } from '#libs/read-models/src/silence-due.js';
import { DUE_SET } from '#libs/read-models/src/sla.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';

/** What the read models say falls due when. Hints: they may be late or gone, and say nothing about what is still true. */
export interface DueClocks {
  /** Leads with something due at or before `nowMs`, each with such an instant: another one once more has fallen due. */
  dueBy(nowMs: number): Promise<ReadonlyMap<string, number>>;
  /** The first instant after `afterMs` at which something falls due; null: none is known. */
  nextDueAfter(afterMs: number): Promise<number | null>;
}

/**
 * Clocks by the due set, silences by the limits in force, of whichever version of the view is active; empty before the first
 * fill. A lead is stale only after its limit (spec §7.19): a millisecond later, instants being whole ones.
 */
export function dueClocksOf(
  activeView: () => Promise<ReadView | null>,
  limitsAt: (nowMs: number) => readonly SilenceLimit[],
): DueClocks {
  return {
    async dueBy(nowMs) {
      const view = await activeView();
      if (view === null) return new Map();
      const [clocks, ...silences] = await Promise.all([
        view.scored(DUE_SET, { max: nowMs }),
        ...limitsAt(nowMs).map(async ({ limitMs, set }) =>
          (await view.scored(set, { max: nowMs - limitMs - 1 })).map(
            ([lead, sinceMs]) => [lead, sinceMs + limitMs + 1] as const,
          ),
        ),
      ]);
      const due = new Map(clocks);
      for (const [lead, atMs] of silences.flat()) due.set(lead, Math.max(due.get(lead) ?? atMs, atMs));
      return due;
    },
    async nextDueAfter(afterMs) {
      const view = await activeView();
      if (view === null) return null;
      // Instants are whole milliseconds.
      const nexts = await Promise.all([
        firstScore(view, DUE_SET, afterMs + 1),
        ...limitsAt(afterMs).map(async ({ limitMs, set }) => {
          const sinceMs = await firstScore(view, set, afterMs - limitMs);
          return sinceMs === null ? null : sinceMs + limitMs + 1;
        }),
      ]);
      const known = nexts.filter((atMs) => atMs !== null);
      return known.length === 0 ? null : Math.min(...known);
    },
  };
}

async function firstScore(view: ReadView, set: string, min: number): Promise<number | null> {
  const [first] = await view.scored(set, { min, limit: 1 });
  return first === undefined ? null : first[1];
}
