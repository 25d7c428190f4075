import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { Problem } from '#libs/platform/src/problem.js';
import type { ReadStore, ReadView } from '#libs/read-models/src/store/read-store.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';

/** Spec §8.4: a query waits at most so long for the position it demands. */
const WAIT_MS = 2000;
const POLL_MS = 10;
/** A rebuild may have put another version in the place of the one that was waited for. */
const LOOK_AGAIN_MS = 200;

/** A view to ask, and what it reflects at least. */
export interface Reflecting {
  readonly view: ReadView;
  /** null: the log was empty so far. */
  readonly position: Position | null;
}

/** The read models as queries see them: the active version, and how far it has come. */
export class Views {
  #headAtStart: Promise<Position | null> | null = null;
  #caughtUp = false;

  constructor(
    private readonly store: ReadStore,
    private readonly log: EventLog,
  ) {}

  /** Waits up to 2 s until `after` is reflected; PROJECTION_BEHIND when it is not by then, NOT_READY before the first fill. */
  async reflecting(after: Position | undefined): Promise<Reflecting> {
    // Waiting is measured by the machine: a test clock that stands still must not wait for ever.
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const view = await this.active();
      const leftMs = deadline - performance.now();
      const position = await reached(view, after, leftMs);
      if (view !== null && (after === undefined || (position !== null && position >= after))) return { view, position };
      if (leftMs <= 0) {
        if (view === null) throw new Problem('NOT_READY', 'the read models are being filled for the first time');
        throw new Problem('PROJECTION_BEHIND', `the read models have not reached ${after} yet; ask again`, {
          position,
        });
      }
      if (view === null) await sleep(POLL_MS);
    }
  }

  /** Waits until everything that is in the log now is reflected, however long it takes: for a hand-driven clock. */
  async caughtUp(): Promise<void> {
    const head = await this.log.head();
    for (;;) {
      if (head === null) return;
      const view = await this.active();
      const position = await reached(view, head, LOOK_AGAIN_MS);
      if (position !== null && position >= head) return;
      if (view === null) await sleep(POLL_MS);
    }
  }

  /** True once the views have reflected everything that was in the log when this process began. */
  async caughtUpOnce(): Promise<boolean> {
    if (this.#caughtUp) return true;
    this.#headAtStart ??= this.log.head().catch((error: unknown) => {
      this.#headAtStart = null;
      throw error;
    });
    const head = await this.#headAtStart;
    const view = await this.active();
    if (view === null) return false;
    const position = await view.checkpoint();
    this.#caughtUp = head === null || (position !== null && position >= head);
    return this.#caughtUp;
  }

  /** Whichever version queries read now; null before the first fill began. */
  async active(): Promise<ReadView | null> {
    const version = await this.store.activeVersion(funnelProjection.name);
    return version === null ? null : this.store.open(funnelProjection.name, version);
  }
}

async function reached(view: ReadView | null, after: Position | undefined, withinMs: number): Promise<Position | null> {
  if (view === null) return null;
  return after === undefined ? view.checkpoint() : view.reach(after, Math.max(0, Math.min(withinMs, LOOK_AGAIN_MS)));
}
