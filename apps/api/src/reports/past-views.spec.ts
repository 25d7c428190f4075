import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import { Projector } from '#libs/projections/src/projector.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import { CommandWorld } from '../../../../test/support/command-path.js';
import { PastViews } from './past-views.js';

const DAY_MS = 86_400_000;
const FROM_MS = Date.parse('2026-03-02T09:00:00.000Z');
const DAYS = 70;

describe('Views of the past', () => {
  let world: CommandWorld;
  let directory: string;
  const past = (more: object = {}) => new PastViews({ log: world.log, clock: world.clock, directory, ...more });
  const digestAt = (views: PastViews, atMs: number) => views.knownAt(atMs, ({ view }) => view.digest());

  beforeAll(async () => {
    world = await CommandWorld.open();
    directory = await mkdtemp(join(tmpdir(), 'past-views-'));
    const side = world.process();
    for (let day = 0; day < DAYS; day += 1) {
      world.clock.set(FROM_MS + day * DAY_MS);
      const { leadId } = await side.capture(`lead${day}@example.org`);
      if (day % 2 === 0) await side.send('MarkMQL', leadId, { reason: 'agreed criteria' });
    }
  });
  afterAll(async () => {
    await world.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Folded for itself, from the first event on. */
  async function foldedAlone(atMs: number): Promise<string> {
    const { events } = await world.log.readAll({ filter: funnelProjection.filter, limit: 10_000 });
    const last = events.findLast((event) => effectiveRecordedAtMs(event) <= atMs);
    const view = new MemoryStore().open(funnelProjection.name, 0);
    const { clock, log } = world;
    if (last !== undefined) await new Projector({ projection: funnelProjection, log, view, clock }).runUntil(last.position);
    return view.digest();
  }
  const instants = [40, 3, 55, 56, 10, 69, 40, -1].map((day) => FROM_MS + day * DAY_MS + 1);

  it('are what had been recorded by then, in whatever order they are asked, and all at once', async () => {
    const views = past();
    for (const atMs of instants) expect(await digestAt(views, atMs)).toBe(await foldedAlone(atMs));
    const together = await Promise.all(instants.map((atMs) => digestAt(views, atMs)));
    expect(together).toEqual(await Promise.all(instants.map(foldedAlone)));
  });

  it('go on from the beginning of the month where that was kept, also after a restart, or begin anew where it is damaged', async () => {
    const atMs = FROM_MS + 65 * DAY_MS;
    const expected = await foldedAlone(atMs);
    expect(await digestAt(past({ waypointEvents: 50 }), atMs)).toBe(expected);
    const [file, ...others] = (await readdir(directory)).filter((name) => name.endsWith('.snapshot'));
    expect([file?.startsWith('known-at-2026-05'), others]).toEqual([true, []]);
    expect(await digestAt(past(), atMs)).toBe(expected);
    await writeFile(join(directory, file!), 'damaged');
    expect(await digestAt(past(), atMs)).toBe(expected);
  });

  it('stay as they are while somebody asks them', async () => {
    const views = past();
    const [early, late] = [FROM_MS + 20 * DAY_MS, FROM_MS + 60 * DAY_MS];
    let release: () => void = () => undefined;
    const asking = views.knownAt(early, async ({ view }) => {
      await new Promise<void>((resolve) => (release = resolve));
      return view.digest();
    });
    const others = [late, late + DAY_MS, late + 2 * DAY_MS].map((atMs) => digestAt(views, atMs));
    await Promise.all(others);
    release();
    expect(await asking).toBe(await foldedAlone(early));
  });
}); // prettier-ignore
