import { DUE_SET } from '#libs/read-models/src/sla.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';

/** What the read models say falls due when. Hints: they may be late or gone, and say nothing about what is still true. */
export interface DueClocks {
  /** Leads with something due at or before `nowMs`, with the earliest such instant. */
  dueBy(nowMs: number): Promise<ReadonlyMap<string, number>>;
  /** The first instant after `afterMs` at which something falls due; null: none is known. */
  nextDueAfter(afterMs: number): Promise<number | null>;
}

/** The due set of whichever version of the view is active; empty before the first fill. */
export function dueClocksOf(activeView: () => Promise<ReadView | null>): DueClocks {
  return {
    async dueBy(nowMs) {
      const view = await activeView();
      return new Map(view === null ? [] : await view.scored(DUE_SET, { max: nowMs }));
    },
    async nextDueAfter(afterMs) {
      const view = await activeView();
      // Instants are whole milliseconds.
      const [first] = view === null ? [] : await view.scored(DUE_SET, { min: afterMs + 1, limit: 1 });
      return first === undefined ? null : first[1];
    },
  };
}
