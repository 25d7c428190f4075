import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { FactDifference } from '#libs/projections/src/fact-difference.js';
import { ROW_TABLE, rowPartition } from '#libs/projections/src/projection.js';
import { Projector } from '#libs/projections/src/projector.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import { MemoryStore } from '#libs/read-models/src/store/memory-store.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { RedisStore } from '#libs/read-models/src/store/redis-store.js';
import { appendGeneratedLeads } from '../support/generated-leads.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { median } from './median.js';

const LEADS = 20_000;
const RUNS = 3;
const BASELINE_EVENTS = 8_000;
const clock = { nowMs: () => 0 };

export const bench = {
  name: 'projection',

  /** Catch-up of the funnel's views from the embedded log: into memory, into Redis, and with a MULTI for each event. */
  async run(): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), 'lead-ledger-projection-bench-'));
    const log = await EmbeddedLog.open({ dir, clock });
    try {
      const events = await appendGeneratedLeads(log, LEADS);
      console.log(`${events.toLocaleString('en')} events of ${LEADS.toLocaleString('en')} leads`);
      const memory: number[] = [];
      let memoryDigest = '';
      for (let run = 0; run < RUNS; run += 1) {
        const view = new MemoryStore().open('bench', run);
        memory.push(await catchUp(log, view, events));
        memoryDigest = await view.digest();
      }
      print('catch-up into memory', median(memory), null);
      if (!hasRedis()) {
        console.log('Redis: not measured, redis-server is not on PATH');
        return;
      }
      const server = await startRedis();
      const store = new RedisStore({ url: server.url, commandTimeoutMs: 30_000 });
      const plain = new Redis(server.url);
      try {
        const redis: number[] = [];
        const baseline: number[] = [];
        const cpuUs = (): number => ownCpuUs() + serverCpuUs(server.pid);
        const folded: number[] = [];
        const single: number[] = [];
        for (let run = 0; run < RUNS; run += 1) {
          const view = store.open('bench', run);
          let fromUs = cpuUs();
          redis.push(await catchUp(log, view, events));
          folded.push((cpuUs() - fromUs) / events);
          if ((await view.digest()) !== memoryDigest) throw new Error('Redis and memory disagree');
          await store.drop('bench', run);
          fromUs = cpuUs();
          baseline.push(await oneByOne(log, plain));
          single.push((cpuUs() - fromUs) / BASELINE_EVENTS);
          await plain.flushall();
        }
        print('a read and a MULTI an event', median(baseline), null);
        print('catch-up into Redis', median(redis), median(baseline));
        const [one, many] = [median(single), median(folded)];
        console.log(
          `processor time, Redis' too: ${one.toFixed(0)} against ${many.toFixed(0)} µs/event  ${(one / many).toFixed(1)}x`,
        );
      } finally {
        plain.disconnect();
        await store.close();
        await server.stop();
      }
    } finally {
      await log.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

async function catchUp(log: EmbeddedLog, view: ReadView, events: number): Promise<number> {
  const head = (await log.head()) as Position;
  const projector = new Projector({ projection: funnelProjection, log, view, clock });
  const startedMs = performance.now();
  let longestMs = 0;
  let lastMs = startedMs;
  const turns = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }, 1);
  projector.start();
  if (!(await projector.waitFor(head, 120_000))) throw new Error('The projector did not catch up');
  const seconds = (performance.now() - startedMs) / 1_000;
  clearInterval(turns);
  const { parked } = projector.stats;
  await projector.stop();
  if (parked > 0) throw new Error(`${parked} leads were parked: ${projector.parked[0]?.error}`);
  if (process.env['BENCH_VERBOSE']) console.log(`  longest turn ${longestMs.toFixed(0)} ms`);
  return events / seconds;
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Linux: clock ticks of 10 ms. Elsewhere the server's share is left out. */
function serverCpuUs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10_000;
  } catch {
    return 0;
  }
}

/**
 * The same folding and the same facts as a projector without this runtime does them: read the lead's row, fold one event,
 * write the difference and the checkpoint in one MULTI.
 */
async function oneByOne(log: EmbeddedLog, redis: Redis): Promise<number> {
  const startedMs = performance.now();
  const { events } = await log.readAll({ filter: funnelProjection.filter, limit: BASELINE_EVENTS });
  for (const event of events) await commitOne(redis, event);
  return events.length / ((performance.now() - startedMs) / 1_000);
}

async function commitOne(redis: Redis, event: RecordedEvent): Promise<void> {
  const entity = funnelProjection.entityOf(event) as string;
  const stored = await redis.hget(`one:${ROW_TABLE}:${rowPartition(entity)}`, entity);
  const row = funnelProjection.load(stored, entity);
  const before = funnelProjection.facts(row);
  const evolved = funnelProjection.evolve(row, event);
  const difference = new FactDifference();
  difference.add(before, funnelProjection.facts(evolved));
  const multi = redis.multi();
  multi.hset(`one:${ROW_TABLE}:${rowPartition(entity)}`, entity, funnelProjection.pack(evolved));
  for (const op of difference.finish()) {
    if (op.op === 'put') multi.hset(`one:${op.table}:${op.part}`, op.key, op.value);
    else if (op.op === 'del') multi.hdel(`one:${op.table}:${op.part}`, op.key);
    else if (op.op === 'score') multi.zadd(`one:${op.set}`, op.score, op.member);
    else if (op.op === 'unscore') multi.zrem(`one:${op.set}`, op.member);
    else multi.hincrby(`one:${op.counters}`, op.key, op.by);
  }
  multi.set('one:checkpoint', event.position);
  await multi.exec();
}

function print(what: string, rate: number, baseline: number | null): void {
  const ratio = baseline === null ? '' : `  ${(rate / baseline).toFixed(1)}x`;
  console.log(`${what.padEnd(28)} ${Math.round(rate).toLocaleString('en').padStart(9)} events/s${ratio}`);
}
