import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, LedgerProcess } from '../support/ledger-process.js';
import { median } from './median.js';

const LEADS = 10_000;
const RUNS = 3;
const LINES_A_LEAD = 2;
const PER_SECOND = 50;
const SECONDS = 20;
const KINDS = ['page_view', 'pricing_page', 'guide', 'email_click'];

const captureLine = (leadId: string) => ({
  command: 'CaptureLead',
  leadId,
  person: { givenName: 'Ada', familyName: 'Lovelace', email: `${leadId}@example.org` },
  role: 'influencer',
  captureMethod: 'form',
  interest: { kind: 'passive' },
  source: { channel: 'search', code: 'google_ads' },
  consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
});

/** Commands a second. */
async function rate(ledger: LedgerProcess, lines: readonly object[]): Promise<number> {
  const started = performance.now();
  await ledger.batch('/v1/commands', lines);
  return (lines.length / (performance.now() - started)) * 1000;
}

/** Sent when their time has come, whether or not the last was answered; from then on the wait is counted. ms. */
async function latencies(send: (n: number) => Promise<number>): Promise<number[]> {
  const begun = performance.now();
  const waits: Promise<number>[] = [];
  for (let n = 0; n < PER_SECOND * SECONDS; n += 1) {
    const due = begun + (n * 1000) / PER_SECOND;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    const sent = performance.now();
    waits.push(
      send(n).then((status) => {
        if (status >= 300) throw new Error(`request ${n} answered ${status}`);
        return performance.now() - sent;
      }),
    );
  }
  return Promise.all(waits);
}

const p99 = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1]!;

/** Behaviours with live scoring: as NDJSON, and one by one at a steady rate. */
export const bench = {
  name: 'behaviours with live scoring, embedded log, the all-in-one process, every acknowledged one fsynced',
  async run(leads = LEADS): Promise<void> {
    const dataDir = mkdtempSync(join(tmpdir(), 'lead-ledger-scoring-'));
    const ledger = new LedgerProcess(dataDir, await freePort());
    try {
      await ledger.start();
      const leadIds = Array.from({ length: leads }, () => randomUUID());
      await ledger.batch('/v1/commands', leadIds.map(captureLine));
      const scored: number[] = [];
      const plain: number[] = [];
      const cpuUs: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        const each = (line: (leadId: string, n: number) => object) =>
          Array.from({ length: LINES_A_LEAD }, () => leadIds.map(line)).flat();
        // The baseline: as many facts of the same leads that no score depends on.
        plain.push(
          await rate(
            ledger,
            each((leadId) => ({ command: 'LogNurtureTouch', leadId, trackId: 'news', channel: 'email' })),
          ),
        );
        const cpuMs = ledger.cpuMs();
        const behaviours = each((leadId, n) => ({ command: 'RecordBehaviour', leadId, kind: KINDS[n % KINDS.length] }));
        scored.push(await rate(ledger, behaviours));
        cpuUs.push(((ledger.cpuMs() - cpuMs) * 1000) / behaviours.length);
      }
      console.log(
        `behaviours, NDJSON batch: median ${Math.round(median(scored))} commands/s (${RUNS} × ${leads * LINES_A_LEAD} lines), ${median(cpuUs).toFixed(0)} µs of processor time each, ratio ${(median(scored) / median(plain)).toFixed(2)} to facts without a score`,
      );

      const headers = { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/json' };
      const asked = async (path: string, init: RequestInit) => {
        const response = await fetch(`${ledger.url}${path}`, init);
        await response.text();
        return response.status;
      };
      const body = JSON.stringify({ kind: 'pricing_page' });
      const single: number[] = [];
      const empty: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        empty.push(p99(await latencies(() => asked('/healthz', {}))));
        single.push(
          p99(await latencies((n) => asked(`/v1/leads/${leadIds[n % leads]}/behaviours`, { method: 'POST', headers, body }))), // prettier-ignore
        );
      }
      console.log(
        `one behaviour over HTTP at ${PER_SECOND}/s: p99 median ${median(single).toFixed(1)} ms (${RUNS} runs of ${SECONDS} s), ratio ${(median(single) / median(empty)).toFixed(1)} to a request that does nothing`,
      );
    } finally {
      await ledger.end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
