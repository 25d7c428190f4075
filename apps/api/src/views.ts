import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { Problem } from '#libs/platform/src/problem.js';
import { EVENT_LOG, READ_STORE } from '#libs/platform/src/tokens.js';
import type { ReadStore, ReadView } from '#libs/read-models/src/store/read-store.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';

/** Spec §8.4: a query waits at most so long for the position it demands. */
const WAIT_MS = 2000;
const POLL_MS = 10;

/** A view to ask, and what it reflects at least. */
export interface Reflecting {
  readonly view: ReadView;
  /** null: the log was empty so far. */
  readonly position: Position | null;
}

/** The read models as queries see them: the active version, and how far it has come. */
@Injectable()
export class Views {
  #headAtStart: Promise<Position | null> | null = null;
  #caughtUp = false;

  constructor(
    @Inject(READ_STORE) private readonly store: ReadStore,
    @Inject(EVENT_LOG) private readonly log: EventLog,
  ) {}

  /** Waits up to 2 s until `after` is reflected; PROJECTION_BEHIND when it is not by then, NOT_READY before the first fill. */
  async reflecting(after: Position | undefined): Promise<Reflecting> {
    // Waiting is measured by the machine: a test clock that stands still must not wait for ever.
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const view = await this.active();
      const position = (await view?.checkpoint()) ?? null;
      if (view !== null && (after === undefined || (position !== null && position >= after))) return { view, position };
      if (performance.now() >= deadline) {
        if (view === null) throw new Problem('NOT_READY', 'the read models are being filled for the first time');
        throw new Problem('PROJECTION_BEHIND', `the read models have not reached ${after} yet; ask again`, {
          position,
        });
      }
      await sleep(POLL_MS);
    }
  }

  /** Waits until everything that is in the log now is reflected, however long it takes: for a hand-driven clock. */
  async caughtUp(): Promise<void> {
    const head = await this.log.head();
    for (;;) {
      const position = (await (await this.active())?.checkpoint()) ?? null;
      if (head === null || (position !== null && position >= head)) return;
      await sleep(POLL_MS);
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
