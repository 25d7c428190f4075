import { setTimeout as sleep } from 'node:timers/promises';
import type { Alerts } from '#apps/api/src/alerts/alerts.js';
import { type AlertFinding, isStanding } from '#libs/alert/src/alert.js';

export interface AlertWatchOptions {
  readonly alerts: Pick<Alerts, 'book' | 'catchUp' | 'judge'>;
  /** Every condition as it is now; null while the read models are not filled. */
  readonly findings: () => Promise<readonly AlertFinding[] | null>;
  /** Another text once the figures may have changed: how far the read models are. */
  readonly reflected: () => Promise<string | null>;
  readonly onError: (error: unknown) => void;
  /** Runs a round when nothing else may happen meanwhile; default: at once. */
  readonly inTurn?: (round: () => Promise<number>) => Promise<number>;
  readonly pollMs?: number;
  /** Rest after a round, as a multiple of its own time. */
  readonly restPerWork?: number;
}

/** Some conditions come true by nothing but time going by. */
const AT_LEAST_EVERY_MS = 60_000;
/** Judging a large ledger takes about a twentieth of a process's time: after a round it rests so much longer, up to half a minute. */
const REST_PER_WORK = 19;
const LONGEST_REST_MS = 30_000;

/**
 * Keeps the alerts true (spec §8.5): judges every condition after the figures have moved, and once a minute. What stands raised is
 * the truth of the alert's own stream, so any number of workers may watch: one raises, one clears.
 */
export class AlertWatch {
  constructor(private readonly options: AlertWatchOptions) {}

  /** How many alerts were raised or cleared. Errors: those of the log and of the read models. */
  async round(): Promise<number> {
    const { alerts, findings } = this.options;
    await alerts.catchUp();
    // As it is before the figures are read: whoever judges by newer ones wins.
    const seen = new Map(alerts.book.all().map(({ key }) => [key, alerts.book.revision(key)]));
    const found = await findings();
    if (found === null) return 0;
    let written = 0;
    for (const finding of found) {
      written += await alerts.judge(finding.key, finding, seen.get(finding.key) ?? -1);
    }
    const named = new Set(found.map(({ key }) => key));
    for (const alert of alerts.book.all()) {
      if (isStanding(alert) && !named.has(alert.key)) {
        written += await alerts.judge(alert.key, null, seen.get(alert.key) ?? -1);
      }
    }
    if (written > 0) await alerts.catchUp();
    return written;
  }

  /** Rounds until the signal aborts; resolves after the round at hand. An outage is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const {
      inTurn = (round) => round(),
      onError,
      pollMs = 1000,
      reflected,
      restPerWork = REST_PER_WORK,
    } = this.options;
    let judged: string | null = null;
    let lastMs = Number.NEGATIVE_INFINITY;
    let restMs = pollMs;
    while (!signal.aborted) {
      try {
        const now = await reflected();
        // Measured by the machine: a hand-driven clock may stand still.
        const beganMs = performance.now();
        if (now !== judged || beganMs - lastMs >= AT_LEAST_EVERY_MS) {
          await inTurn(() => this.round());
          judged = now;
          lastMs = performance.now();
          restMs = Math.max(pollMs, Math.min(LONGEST_REST_MS, (lastMs - beganMs) * restPerWork));
        } else restMs = pollMs;
      } catch (error) {
        onError(error);
      }
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
