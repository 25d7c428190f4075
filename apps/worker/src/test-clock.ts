import { Turns } from '#libs/event-log/src/handle-command.js';
import type { TestClock } from '#libs/platform/src/clock.js';
import { invalid } from '#libs/platform/src/problem.js';
import type { DueClocks } from './due-clocks.js';
import { Sweeper } from './sweeper.js';

export type SweepMode = 'continuous' | 'none';

export interface TestClockOptions {
  readonly clock: TestClock;
  readonly due: DueClocks;
  /** Settles a lead as a worker of its own would; called once for every sweeper. */
  readonly newSettler: () => (leadId: string) => Promise<unknown>;
  /** Resolves when all views reflect everything that is in the log. */
  readonly viewsCaughtUp: () => Promise<void>;
  /** Moves deals out of stages that are gone at the clock's time (apps/api `StageMoves.round`). */
  readonly moveDeals?: () => Promise<unknown>;
  /** Finishes merges that were left in the middle (`MergeResumer.round`). */
  readonly resumeMerges?: () => Promise<unknown>;
  /** Scores the leads there are under a model that has come into force (`Rescoring.round`). */
  readonly rescore?: () => Promise<unknown>;
  /** When the next such model comes into force; null: none is to come. */
  readonly nextRescoringAfter?: (afterMs: number) => number | null;
  /** Raises and clears alerts by what the views say now (`AlertWatch.round`). */
  readonly watchAlerts?: () => Promise<number>;
  readonly onError?: (leadId: string, error: unknown) => void;
}

/** Drives a ledger under LEDGER_TEST_CLOCK=1 (contract "Settings"): no time passes and nothing is swept but through here. */
export class TestClockDriver {
  readonly #turns = new Turns();

  constructor(private readonly options: TestClockOptions) {}

  /**
   * Moves the clock to `nowMs`. `continuous`: time passes through every due instant on the way and what is due then is
   * settled then, as a running worker would; `none`: it jumps. Answers when the views have caught up.
   * VALIDATION_FAILED when `nowMs` lies before the present, unless the clock was never set: time does not run backwards.
   */
  set(nowMs: number, mode: SweepMode): Promise<void> {
    return this.#turns.take('clock', async () => {
      const { clock, due, viewsCaughtUp } = this.options;
      if (clock.wasSet && nowMs < clock.nowMs())
        throw invalid('now', `lies before the present ${new Date(clock.nowMs()).toISOString()}`);
      // Nothing falls due on the way to where the clock begins.
      if (mode === 'continuous' && nowMs >= clock.nowMs()) {
        await viewsCaughtUp();
        await this.options.rescore?.();
        await this.#sweepOnce();
        for (;;) {
          await viewsCaughtUp();
          const dueMs = (await due.nextDueAfter(clock.nowMs())) ?? Infinity;
          const next = Math.min(dueMs, this.options.nextRescoringAfter?.(clock.nowMs()) ?? Infinity);
          if (next > nowMs) break;
          clock.set(next);
          await this.options.rescore?.();
          await this.#sweepOnce();
        }
      }
      clock.set(nowMs);
      await viewsCaughtUp();
      if (mode === 'continuous' && (await this.options.moveDeals?.()) !== 0) await viewsCaughtUp();
      if (mode === 'continuous' && (await this.options.resumeMerges?.()) !== 0) await viewsCaughtUp();
      await this.options.watchAlerts?.();
    });
  }

  /** So many sweepers at once over what is due now; answers when the views have caught up. */
  sweep(instances: number): Promise<void> {
    return this.#turns.take('clock', async () => {
      await this.options.viewsCaughtUp();
      await this.options.rescore?.();
      await this.options.moveDeals?.();
      await this.options.resumeMerges?.();
      await Promise.all(Array.from({ length: instances }, () => this.#sweepOnce()));
      await this.options.viewsCaughtUp();
      await this.options.watchAlerts?.();
    });
  }

  /** A round of the alerts between two moves of the clock, once it was set. */
  watch(round: () => Promise<number>): Promise<number> {
    return this.#turns.take('clock', () => (this.options.clock.wasSet ? round() : Promise.resolve(0)));
  }

  #sweepOnce(): Promise<number> {
    const { clock, due, newSettler, onError } = this.options;
    return new Sweeper({ due, clock, settle: newSettler(), ...(onError === undefined ? {} : { onError }) }).sweep();
  }
}
