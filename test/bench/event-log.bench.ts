import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import type { NewEvent } from '#libs/event-log/src/event-log.js';
import { median } from './median.js';

const ROUNDS = 5;

/** Embedded log: durable appends at 1, 32 and 256 in flight (one event each), then reading them all back, decoded. */
async function run(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'event-log-bench-'));
  const log = await EmbeddedLog.open({ dir, clock: { nowMs: () => 1_500_000_000_000 } });
  try {
    let alone = 0;
    for (const [inFlight, count] of [
      [1, 300],
      [32, 6_000],
      [256, 30_000],
    ] as const) {
      const rates: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) rates.push(await appendRate(log, count, inFlight));
      const rate = median(rates);
      if (inFlight === 1) alone = rate;
      print(`append, ${inFlight} in flight`, rate, alone);
    }
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rates.push(await readRate(log));
    print('read $all, decoded', median(rates), alone);
  } finally {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function appendRate(log: EmbeddedLog, count: number, inFlight: number): Promise<number> {
  const streams = Array.from({ length: count }, () => `lead-${randomUUID()}`);
  const start = process.hrtime.bigint();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const stream = streams[next]!;
      next += 1;
      await log.append({ stream, expectedRevision: 'no_stream', events: [sampleEvent(stream)] });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return perSecond(count, start);
}

async function readRate(log: EmbeddedLog): Promise<number> {
  const start = process.hrtime.bigint();
  let count = 0;
  for await (const batch of log.subscribe({ batchSize: 2000 })) {
    count += batch.events.length;
    if (batch.caughtUp) break;
  }
  return perSecond(count, start);
}

function sampleEvent(stream: string): NewEvent {
  const id = randomUUID();
  return {
    id,
    type: 'LeadCaptured',
    data: {
      leadId: stream.slice(5),
      occurredAt: '2018-02-26T19:58:54.000Z',
      leadType: 'seller',
      source: { code: 'organic_search', channel: 'web', landingPage: '88740e65d5d6b056e0cda098e1ea6313' },
      sealed: 'pF0rM3v8a1k2bQ5xW9cYh7uJ0lT6nZ4sD8eR2gK1oV3iB5mA7wXqCzEyHtUjNfLp',
    },
    metadata: {
      schemaVersion: 1,
      commandId: id,
      commandHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      $correlationId: id,
      $causationId: id,
      actor: { type: 'integration', id: 'import', role: 'integration' },
      source: { system: 'import', importJobId: id },
      tenantId: 'ledger',
      policyRefs: { pipelineVersion: 1, agreementVersion: 1, calendarVersion: 1 },
    },
  };
}

function perSecond(count: number, start: bigint): number {
  return count / (Number(process.hrtime.bigint() - start) / 1e9);
}

function print(what: string, rate: number, baseline: number): void {
  const ratio = `${(rate / baseline).toFixed(1)}x`;
  console.log(`${what.padEnd(24)} ${Math.round(rate).toLocaleString('en').padStart(9)} events/s  ${ratio.padStart(8)}`);
}

export const bench = { name: 'event-log', run };
