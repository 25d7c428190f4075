import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Actor } from '#libs/lead/src/commands.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { type OpenDealOfLead, openDealsOf } from '#libs/read-models/src/open-deals.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import type { LeadCommandInput } from '../commands/lead-commands.js';

const STAGE_MAPPER: Actor = { type: 'system', id: 'system:pipeline', role: 'system', teams: [] };
const AT_ONCE = 16;
const EVERY_MS = 1000;

export interface StageMovesOptions {
  readonly policies: PolicyBook;
  readonly nowMs: () => number;
  /** The active version of the read models; null before the first fill. */
  readonly view: () => Promise<ReadView | null>;
  readonly execute: (command: LeadCommandInput) => Promise<unknown>;
  /** `leadId` is empty when a whole round failed; the next one tries again. */
  readonly onError?: (leadId: string, error: unknown) => void;
}

/**
 * Moves open deals to where a pipeline version in force has mapped their stage (spec §4.4 `STAGE_IN_USE`). Any command on a
 * lead moves its deal (libs/lead `pipeline-stages.ts`); this sends one to those that are waiting for none. Whoever sends it, and
 * however often: what has moved is not moved again, so a process that was cut off is gone on with by the next round.
 */
export class StageMoves {
  #done = '';

  constructor(private readonly options: StageMovesOptions) {}

  /** Rounds until the signal aborts; an outage is asked again in the next. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round().catch((error: unknown) => this.options.onError?.('', error));
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One round, when another version of any pipeline has come into force since the last; how many deals were asked for. */
  async round(): Promise<number> {
    const { nowMs, policies, view } = this.options;
    const inForce = policies.pipelinesInForce(nowMs());
    const active = inForce === this.#done ? null : await view();
    if (active === null) return 0;
    const waiting = (await openDealsOf(active)).filter((deal) => this.#isElsewhere(deal));
    let failed = false;
    let next = 0;
    const work = async () => {
      for (let deal = waiting[next++]; deal !== undefined; deal = waiting[next++])
        failed = !(await this.#move(deal.leadId)) || failed;
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, work));
    if (!failed) this.#done = inForce;
    return waiting.length;
  }

  #isElsewhere({ leadType, stage }: OpenDealOfLead): boolean {
    const now = this.options.policies.stageNow(stage, leadType, this.options.nowMs());
    return now !== null && now !== stage;
  }

  async #move(leadId: string): Promise<boolean> {
    const command = { name: 'SettleClocks', leadId, body: {}, commandId: randomUUID(), actor: STAGE_MAPPER } as const;
    try {
      await this.options.execute({ ...command, source: { system: 'pipeline' } });
      return true;
    } catch (error) {
      this.options.onError?.(leadId, error);
      return false;
    }
  }
}
