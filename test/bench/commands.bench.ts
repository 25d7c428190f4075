import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { freePort, LedgerProcess } from '../support/ledger-process.js';
import { median } from './median.js';

const CONNECTIONS = 32;
const SECONDS = 10;
const RUNS = 3;
const BATCH_LINES = 20_000;

const captureBody = () => ({
  person: { givenName: 'Ada', familyName: 'Lovelace', email: `${randomUUID()}@example.org` },
  // Of too little fit to be marked by its score before the mark by hand comes.
  role: 'influencer',
  captureMethod: 'form',
  interest: { kind: 'active', request: 'demo' },
  source: { channel: 'search', code: 'google_ads' },
  consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
});
/** What one connection does to each lead it captures, one request after the other. */
const AFTER_CAPTURE: readonly [string, object][] = [
  ['behaviours', { kind: 'pricing_page' }],
  ['mark-mql', { reason: 'meets the agreed criteria' }],
  ['accept', {}],
  ['contact-attempts', { channel: 'phone', outcome: 'connected' }],
];

interface Mix {
  step: number;
  leadId?: string;
}

/** One request after another on each connection: capture a lead, then work it. */
async function mixedCommands(ledger: LedgerProcess): Promise<autocannon.Result & { refused: number }> {
  let refused = 0;
  const result = await autocannon({
    url: ledger.url,
    connections: CONNECTIONS,
    duration: SECONDS,
    setupClient: (client) => {
      const mix: Mix = { step: 0 };
      const prepare = () => {
        const step = mix.leadId === undefined ? undefined : AFTER_CAPTURE[mix.step - 1];
        client.setHeadersAndBody(
          { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/json' },
          JSON.stringify(step ? step[1] : captureBody()),
        );
        client.setRequests([
          {
            method: 'POST',
            path: step ? `/v1/leads/${mix.leadId}/${step[0]}` : '/v1/leads',
            headers: { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/json' },
            body: JSON.stringify(step ? step[1] : captureBody()),
            onResponse: (status, body) => {
              if (status >= 300) refused += 1;
              if (mix.leadId === undefined) mix.leadId = (JSON.parse(body) as { leadId: string }).leadId;
              mix.step = mix.step >= AFTER_CAPTURE.length ? 0 : mix.step + 1;
              if (mix.step === 0) delete mix.leadId;
              prepare();
            },
          },
        ]);
      };
      prepare();
    },
  });
  return Object.assign(result, { refused });
}

/** Captures and behaviours as NDJSON: half the lines each. */
async function batchPerSecond(ledger: LedgerProcess): Promise<number> {
  const lines: string[] = [];
  for (let n = 0; n < BATCH_LINES / 2; n += 1) {
    const leadId = randomUUID();
    lines.push(JSON.stringify({ command: 'CaptureLead', leadId, ...captureBody() }));
    lines.push(JSON.stringify({ command: 'RecordBehaviour', leadId, kind: 'page_view' }));
  }
  const started = performance.now();
  const response = await fetch(`${ledger.url}/v1/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/x-ndjson' },
    body: lines.join('\n') + '\n',
  });
  const answers = (await response.text()).trim().split('\n');
  const elapsedS = (performance.now() - started) / 1000;
  const refused = answers.filter((line) => !line.includes('"position"'));
  if (answers.length !== BATCH_LINES || refused.length > 0)
    throw new Error(`${refused.length} of ${answers.length} lines were refused, e.g. ${refused[0]}`);
  return BATCH_LINES / elapsedS;
}

export const bench = {
  name: 'commands over HTTP, embedded log, one process, every acknowledged one fsynced',
  async run(): Promise<void> {
    const dataDir = mkdtempSync(join(tmpdir(), 'lead-ledger-bench-'));
    const ledger = new LedgerProcess(dataDir, await freePort());
    try {
      await ledger.start();
      const rates: number[] = [];
      const p99s: number[] = [];
      const cpuUs: number[] = [];
      const mainUs: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        const cpuMs = ledger.cpuMs();
        const mainMs = ledger.mainCpuMs();
        const result = await mixedCommands(ledger);
        mainUs.push(((ledger.mainCpuMs() - mainMs) * 1000) / result.requests.total);
        cpuUs.push(((ledger.cpuMs() - cpuMs) * 1000) / result.requests.total);
        if (result.refused > 0 || result.errors > 0)
          throw new Error(`${result.refused} requests refused, ${result.errors} failed`);
        rates.push(result.requests.total / result.duration);
        p99s.push(result.latency.p99);
      }
      console.log(
        `mixed commands, ${CONNECTIONS} connections: median ${Math.round(median(rates))}/s, p99 ${median(p99s)} ms, ${median(cpuUs).toFixed(0)} µs of processor time each, ${median(mainUs).toFixed(0)} of them on the main thread (${RUNS} runs of ${SECONDS} s)`,
      );
      const batches: number[] = [];
      const batchCpuUs: number[] = [];
      const batchMainUs: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        const cpuMs = ledger.cpuMs();
        const mainMs = ledger.mainCpuMs();
        batches.push(await batchPerSecond(ledger));
        batchMainUs.push(((ledger.mainCpuMs() - mainMs) * 1000) / BATCH_LINES);
        batchCpuUs.push(((ledger.cpuMs() - cpuMs) * 1000) / BATCH_LINES);
      }
      console.log(
        `capture + behaviour, NDJSON batch: median ${Math.round(median(batches))} commands/s (${RUNS} × ${BATCH_LINES} lines), ${median(batchCpuUs).toFixed(0)} µs of processor time each, ${median(batchMainUs).toFixed(0)} of them on the main thread, ${(median(batches) / median(rates)).toFixed(1)} × single requests`,
      );
    } finally {
      await ledger.end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
