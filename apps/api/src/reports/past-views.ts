import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { Projector } from '#libs/projections/src/projector.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import type { Reflecting } from '../views.js';
import { PastPolicies, type PoliciesOfThen } from './past-policies.js';

export interface PastViewsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Where views of month beginnings are kept, to go on from; absent: every past is folded from the beginning. */
  readonly directory?: string;
  /** A view is kept where it took so many events more than the one it began with (default 50,000). */
  readonly waypointEvents?: number;
}

/** So many views of the past are in memory at most: a report and its drill lists, or two instants that are compared. */
const HELD = 2;
/** So many are kept on the disk; the ones written longest ago go. */
const WAYPOINTS = 24;
const PAGE = 1_000;
const NEVER_MS = 2 ** 31 - 1;

interface Held {
  readonly view: ReadView;
  /** What it is to reflect; its checkpoint once `ready` has resolved. */
  position: Position;
  ready: Promise<unknown>;
  users: number;
}

/**
 * The read models as they were at an earlier instant of recording (spec §8.3 `knownAt`): folded anew from the log, in memory,
 * up to the last event that had been recorded by then. The same log gives the same view, so it is what was shown then. A view that
 * nobody asks any more is folded on to a later instant: instants in order cost one fold.
 */
export class PastViews {
  readonly #options: PastViewsOptions;
  readonly #policies: PastPolicies;
  /** Least recently asked first. */
  #held: Held[] = [];
  #released: (() => void)[] = [];
  /** One is folded at a time: each takes a core. */
  #folding: Promise<unknown> = Promise.resolve();
  /** Where the log was when, as far as it was looked at; ascending. */
  #marks: { readonly position: Position; readonly recordedAtMs: number }[] = [];

  constructor(options: PastViewsOptions) {
    this.#options = options;
    this.#policies = new PastPolicies(options.log);
  }

  /** What the figures were judged by then. */
  policiesKnownAt(knownAtMs: number): Promise<PoliciesOfThen> {
    return this.#policies.knownAt(knownAtMs);
  }

  /** Asks the view of then; it stays as it is until `ask` has its answer, and no longer. */
  async knownAt<Answer>(knownAtMs: number, ask: (then: Reflecting) => Promise<Answer>): Promise<Answer> {
    const position = await this.#lastRecordedBy(knownAtMs);
    if (position === null) return ask({ view: new MemoryStore().open(funnelProjection.name, 0), position });
    const held = await this.#taken(position, knownAtMs);
    try {
      await this.#folded(held);
      return await ask({ view: held.view, position });
    } finally {
      held.users -= 1;
      for (const released of this.#released.splice(0)) released();
    }
  }

  async #folded(held: Held): Promise<void> {
    try {
      await held.ready;
    } catch (error) {
      // Of no instant at all.
      this.#held = this.#held.filter((one) => one !== held);
      throw error;
    }
  }

  async #taken(position: Position, knownAtMs: number): Promise<Held> {
    for (;;) {
      const known = this.#held.find((held) => held.position === position);
      if (known !== undefined) return this.#use(known);
      if (this.#held.length < HELD) return this.#use(this.#begin(position, knownAtMs));
      const idle = this.#held.filter(({ users }) => users === 0);
      const before = idle.find((held) => held.position < position);
      if (before !== undefined) return this.#use(this.#foldOn(before, position));
      const [oldest] = idle;
      if (oldest !== undefined) this.#held = this.#held.filter((held) => held !== oldest);
      else await new Promise<void>((resolve) => this.#released.push(resolve));
    }
  }

  #use(held: Held): Held {
    held.users += 1;
    this.#held = [...this.#held.filter((one) => one !== held), held];
    return held;
  }

  #foldOn(held: Held, position: Position): Held {
    held.position = position;
    held.ready = this.#inTurn(() => this.#fold(held.view, position));
    return held;
  }

  #begin(position: Position, knownAtMs: number): Held {
    const monthMs = monthOf(knownAtMs);
    const store = new MemoryStore(this.#storage());
    const view = store.open(`known-at-${new Date(monthMs).toISOString().slice(0, 7)}`, funnelProjection.version);
    const ready = this.#inTurn(async () => {
      const waypoint = await this.#lastRecordedBy(monthMs - 1);
      if (waypoint !== null) {
        const events = await this.#fold(view, waypoint);
        if (this.#options.directory !== undefined && events >= (this.#options.waypointEvents ?? 50_000)) {
          await store.snapshot();
          await this.#forgetWaypoints();
        }
      }
      await this.#fold(view, position);
    });
    return { view, position, ready, users: 0 };
  }

  #storage() {
    const { directory } = this.#options;
    // What is written is written by `#begin`: the view goes on to other instants.
    return directory === undefined ? {} : { directory, snapshotEveryMs: NEVER_MS };
  }

  #inTurn(work: () => Promise<unknown>): Promise<unknown> {
    const done = this.#folding.then(work);
    this.#folding = done.catch(() => undefined);
    return done;
  }

  /** Answers how many events that took. */
  async #fold(view: ReadView, position: Position): Promise<number> {
    const checkpoint = await view.checkpoint();
    if (checkpoint !== null && checkpoint >= position) return 0;
    const { clock, log } = this.#options;
    const projector = new Projector({ projection: funnelProjection, log, view, clock });
    await projector.runUntil(position);
    return projector.stats.events;
  }

  async #forgetWaypoints(): Promise<void> {
    const directory = this.#options.directory as string;
    const files = (await readdir(directory))
      .filter((file) => file.endsWith('.snapshot'))
      .map((file) => join(directory, file));
    if (files.length <= WAYPOINTS) return;
    const dated = await Promise.all(files.map(async (file) => ({ file, atMs: (await stat(file)).mtimeMs })));
    dated.sort((a, b) => b.atMs - a.atMs);
    for (const { file } of dated.slice(WAYPOINTS)) await rm(file, { force: true });
  }

  async #lastRecordedBy(knownAtMs: number): Promise<Position | null> {
    const { log } = this.#options;
    // Events are recorded in the order of time: before the first mark beyond the instant there is nothing to skip.
    let after = this.#marks.find(({ recordedAtMs }) => recordedAtMs > knownAtMs)?.position ?? null;
    for (;;) {
      const page = await log.readAll({
        ...(after === null ? {} : { after }),
        direction: 'backwards',
        filter: funnelProjection.filter,
        limit: PAGE,
      });
      const last = page.events.find((event) => effectiveRecordedAtMs(event) <= knownAtMs);
      if (last !== undefined) return last.position;
      const oldest = page.events.at(-1);
      if (oldest !== undefined) this.#mark(oldest.position, effectiveRecordedAtMs(oldest));
      if (page.next === null) return null;
      after = page.next;
    }
  }

  #mark(position: Position, recordedAtMs: number): void {
    const at = this.#marks.findIndex((mark) => mark.position >= position);
    if (at < 0) this.#marks.push({ position, recordedAtMs });
    else if (this.#marks[at]!.position > position) this.#marks.splice(at, 0, { position, recordedAtMs });
  }
}

/** First instant of its month, in UTC. */
function monthOf(atMs: number): number {
  const at = new Date(atMs);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth());
}
