import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import type { ReadStore, ReadView } from '#libs/read-models/src/store/read-store.js';
import type { Projection } from './projection.js';
import { Projector } from './projector.js';

/** Store versions of one projection version: `version * 1000 + generation`. */
const GENERATIONS = 1_000;

export interface RebuildReport {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Whether the rebuilt view equals the one it replaces, at `position`; it does not when that one had parked entities. */
  readonly equal: boolean;
  readonly position: Position | null;
  readonly digest: string;
  readonly replacedDigest: string;
  readonly events: number;
  readonly seconds: number;
}

export interface RebuildOptions<Row> {
  readonly projection: Projection<Row>;
  readonly log: EventLog;
  readonly store: ReadStore;
  readonly clock: { nowMs(): number };
  /** The projector of the live view: it is paused while the two are compared, and goes on with the new one. */
  readonly live: Projector<Row>;
  /** How long queries that began on the old view may still read it (default 5 s). */
  readonly graceMs?: number;
}

/**
 * The view that queries read, for this version of the projection. A view of another version of the code has another shape: a
 * new one is begun at once, empty, and the old one dropped.
 */
export async function openLiveView<Row>(store: ReadStore, projection: Projection<Row>): Promise<ReadView> {
  const { name, version } = projection;
  const active = await store.activeVersion(name);
  if (active !== null && Math.floor(active / GENERATIONS) === version) return store.open(name, active);
  const first = version * GENERATIONS;
  await store.drop(name, first);
  await store.activate(name, first);
  if (active !== null) await store.drop(name, active);
  return store.open(name, first);
}

/**
 * Fills a new generation from the first event on, beside the live one; compares both at the same position; points queries to
 * the new one, equal or not (it is what the log says), and drops the old. An event that cannot be folded stops it
 * (`PoisonedProjection`), and the live view stays.
 */
export async function rebuild<Row>(options: RebuildOptions<Row>): Promise<RebuildReport> {
  const { projection, log, store, clock, live } = options;
  const { name } = projection;
  const from = await store.activeVersion(name);
  if (from === null) throw new Error(`There is no live view of ${name}`);
  const startedMs = performance.now();
  const to = nextGeneration(from);
  await store.drop(name, to);
  const view = store.open(name, to);
  const filler = new Projector({ projection, log, view, clock, onPoison: 'stop' });
  try {
    if (live.checkpoint !== null) await filler.runUntil(live.checkpoint);
    const report = await live.whilePaused(async (position): Promise<RebuildReport> => {
      if (position !== null) await filler.runUntil(position);
      const [digest, replacedDigest] = [await view.digest(), await store.open(name, from).digest()];
      await store.activate(name, to);
      await live.switchTo(view);
      const seconds = (performance.now() - startedMs) / 1_000;
      const { events } = filler.stats;
      return { name, from, to, equal: digest === replacedDigest, position, digest, replacedDigest, events, seconds };
    });
    await sleep(options.graceMs ?? 5_000);
    await store.drop(name, from);
    return report;
  } catch (error) {
    if ((await store.activeVersion(name)) !== to) await store.drop(name, to);
    throw error;
  }
}

function nextGeneration(active: number): number {
  const version = Math.floor(active / GENERATIONS);
  return version * GENERATIONS + ((active + 1) % GENERATIONS);
}
