import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { Projector } from '#libs/projections/src/projector.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { Reflecting } from '../views.js';
import { PastPolicies, type PoliciesOfThen } from './past-policies.js';

/** So many views of the past are held: a report and its drill lists are asked one after the other. */
const HELD = 2;
const PAGE = 1_000;

/**
 * The read models as they were at an earlier instant of recording (spec §8.3 `knownAt`): folded anew from the log, in memory,
 * up to the last event that had been recorded by then. The same log gives the same view, so it is what was shown then.
 */
export class PastViews {
  /** Least recently asked first. */
  readonly #held = new Map<Position, Promise<Reflecting>>();
  /** One is folded at a time: each takes a core. */
  #folding: Promise<unknown> = Promise.resolve();

  readonly #policies: PastPolicies;

  constructor(
    private readonly log: EventLog,
    private readonly clock: Clock,
  ) {
    this.#policies = new PastPolicies(log);
  }

  /** What the figures were judged by then. */
  policiesKnownAt(knownAtMs: number): Promise<PoliciesOfThen> {
    return this.#policies.knownAt(knownAtMs);
  }

  async knownAt(knownAtMs: number): Promise<Reflecting> {
    const position = await this.#lastRecordedBy(knownAtMs);
    if (position === null) return { view: emptyView(), position };
    const folded = this.#held.get(position) ?? this.#begin(position);
    this.#held.delete(position);
    this.#held.set(position, folded);
    for (const oldest of [...this.#held.keys()].slice(0, -HELD)) this.#held.delete(oldest);
    return folded;
  }

  #begin(position: Position): Promise<Reflecting> {
    const folded = this.#folding.then(() => this.#fold(position));
    this.#folding = folded.catch(() => undefined);
    folded.catch(() => this.#held.delete(position));
    return folded;
  }

  async #fold(position: Position): Promise<Reflecting> {
    const view = emptyView();
    const { clock, log } = this;
    await new Projector({ projection: funnelProjection, log, view, clock }).runUntil(position);
    return { view, position };
  }

  async #lastRecordedBy(knownAtMs: number): Promise<Position | null> {
    let after: Position | null = null;
    for (;;) {
      const page = await this.log.readAll({
        ...(after === null ? {} : { after }),
        direction: 'backwards',
        filter: funnelProjection.filter,
        limit: PAGE,
      });
      const last = page.events.find((event) => effectiveRecordedAtMs(event) <= knownAtMs);
      if (last !== undefined) return last.position;
      if (page.next === null) return null;
      after = page.next;
    }
  }
}

const emptyView = () => new MemoryStore().open(funnelProjection.name, 0);
