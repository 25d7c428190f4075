import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Alerts } from '#apps/api/src/alerts/alerts.js';
import type { Policies } from '#apps/api/src/policies.js';
import type { Figures } from '#apps/api/src/reports/figures.js';
import type { Views } from '#apps/api/src/views.js';
import { reviewFindings } from '#libs/alert/src/review-alerts.js';
import { type Clock, TestClock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { AlertWatch } from './alert-watch.js';

type InTurn = (round: () => Promise<number>) => Promise<number>;

/** Watches the alerts for as long as the application runs; under a test clock too, in turn with whoever moves it. */
export class WatchedAlerts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #inTurn: InTurn = (round) => round();
  readonly #watch: AlertWatch;

  constructor(
    clock: Clock,
    private readonly logger: Logger,
    views: Views,
    figures: Figures,
    policies: Policies,
    alerts: Alerts,
  ) {
    let unavailable = false;
    this.#watch = new AlertWatch({
      alerts,
      async findings() {
        // A view that is still being filled knows half of what there is, and would alarm about the rest.
        if (!(await views.caughtUpOnce())) return null;
        const nowMs = clock.nowMs();
        const { book } = policies;
        const beganMs = await alerts.beganMs();
        const found = await figures.ask('alertFindings', {});
        unavailable = false;
        return beganMs === null ? found : [...found, ...reviewFindings(alerts.reviews, book, beganMs, nowMs)];
      },
      reflected: async () => (await (await views.active())?.checkpoint()) ?? null,
      inTurn: (round) => this.#inTurn(round),
      onError: (error) => {
        if (!unavailable) this.logger.warn({ err: error }, 'the alerts could not be judged; trying again');
        unavailable = true;
      },
      ...(clock instanceof TestClock ? { pollMs: 100, restPerWork: 1 } : {}),
    });
  }

  /** Rounds of its own wait for their turn from now on. */
  takeTurns(inTurn: InTurn): void {
    this.#inTurn = inTurn;
  }

  /** One round now. What cannot be judged is told to the log and tried again by the next. */
  async round(): Promise<number> {
    try {
      return await this.#watch.round();
    } catch (error) {
      this.logger.warn({ err: error }, 'the alerts could not be judged');
      return 0;
    }
  }

  onApplicationBootstrap(): void {
    this.#running = this.#watch.run(this.#stop.signal);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
