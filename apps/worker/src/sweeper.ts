import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#libs/platform/src/clock.js';
import type { DueClocks } from './due-clocks.js';

export interface SweeperOptions {
  readonly due: DueClocks;
  /** Sends SettleClocks for the lead through the ordinary command path; resolves when it is done or was done already. */
  settle(leadId: string): Promise<unknown>;
  readonly clock: Clock;
  /** A lead that could not be settled; it is tried again at the next full re-check. */
  onError?(leadId: string, error: unknown): void;
  /** The due set could not be read; tried again in the next round. */
  onOutage?(error: unknown): void;
  /** After each finished round, with how many leads it settled. */
  onRound?(settled: number): void;
  readonly intervalMs?: number;
  readonly recheckMs?: number;
  readonly concurrency?: number;
}

/**
 * Asks leads to settle what is due on their clocks (spec §6.6). The due set is a hint: whether something is due the lead
 * decides, and only the projector removes an entry, when it has seen the events. So any number of sweepers may run: at least
 * one asks, and the lead's revision lets one answer count.
 */
export class Sweeper {
  /** Asked and not yet gone from the set, with the instant asked for: not asked again while the projector catches up. */
  #asked = new Map<string, number>();
  #recheckAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: SweeperOptions) {}

  /** One round over everything due now; how many leads were asked. Errors: those of the due set. */
  async sweep(): Promise<number> {
    const { clock, concurrency = 16, due, recheckMs = 600_000 } = this.options;
    const nowMs = clock.nowMs();
    if (nowMs >= this.#recheckAtMs) {
      this.#asked.clear();
      this.#recheckAtMs = nowMs + recheckMs;
    }
    const leads = await due.dueBy(nowMs);
    const asked = new Map<string, number>();
    const open: [leadId: string, dueMs: number][] = [];
    for (const [leadId, dueMs] of leads) {
      if (this.#asked.get(leadId) === dueMs) asked.set(leadId, dueMs);
      else open.push([leadId, dueMs]);
    }
    this.#asked = asked;
    let next = 0;
    const work = async () => {
      for (let lead = open[next++]; lead !== undefined; lead = open[next++]) await this.#settle(...lead);
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, open.length) }, work));
    this.options.onRound?.(open.length);
    return open.length;
  }

  /** Rounds until the signal aborts; resolves after the round at hand. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.sweep();
      } catch (error) {
        this.options.onOutage?.(error);
      }
      try {
        await sleep(this.options.intervalMs ?? 1000, undefined, { signal });
      } catch {
        return;
      }
    }
  }

  async #settle(leadId: string, dueMs: number): Promise<void> {
    try {
      await this.options.settle(leadId);
      this.#asked.set(leadId, dueMs);
    } catch (error) {
      // An unreachable log is asked again in the next round; what one lead refuses must not be asked every second.
      if ((error as { code?: unknown }).code !== 'STORE_UNAVAILABLE') this.#asked.set(leadId, dueMs);
      this.options.onError?.(leadId, error);
    }
  }
}
