import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, LedgerProcess } from '../support/ledger-process.js';
import { median } from './median.js';

const LEADS = 100_000;
const CHUNK = 5_000;
const SOURCES = ['google_ads', 'webinar', 'partner_portal', 'fair', 'newsletter'];

/** Three commands that make eight events in the lead's stream: captured with a request, handed over, accepted. */
function linesOf(n: number): string[] {
  const leadId = randomUUID();
  return [
    {
      command: 'CaptureLead',
      leadId,
      person: { givenName: 'Ada', email: `${leadId}@example.org` },
      captureMethod: 'form',
      interest: { kind: 'active', request: 'demo' },
      source: { channel: 'search', code: SOURCES[n % SOURCES.length] },
      consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
    },
    { command: 'MarkMQL', leadId, reason: 'meets the agreed criteria' },
    { command: 'AcceptLead', leadId },
  ].map((line) => JSON.stringify(line));
}

async function fill(ledger: LedgerProcess): Promise<number> {
  let events = 0;
  for (let from = 0; from < LEADS; from += CHUNK) {
    const lines = Array.from({ length: CHUNK }, (_, index) => linesOf(from + index)).flat();
    const response = await fetch(`${ledger.url}/v1/commands`, {
      method: 'POST',
      headers: { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/x-ndjson' },
      body: lines.join('\n') + '\n',
    });
    for (const line of (await response.text()).trim().split('\n')) {
      const answer = JSON.parse(line) as { events?: unknown[]; code?: string };
      if (!answer.events) throw new Error(`a line was refused: ${line}`);
      events += answer.events.length;
    }
  }
  return events;
}

export const bench = {
  name: `memory and start of the all-in-one process with ${LEADS} leads`,
  async run(): Promise<void> {
    const dataDir = mkdtempSync(join(tmpdir(), 'lead-ledger-footprint-'));
    const ledger = new LedgerProcess(dataDir, await freePort());
    try {
      await ledger.start();
      const started = performance.now();
      const events = await fill(ledger);
      console.log(
        `${events} events on the leads' streams, filled in ${((performance.now() - started) / 1000).toFixed(0)} s`,
      );
      const head = await ledger.call('GET', '/v1/reports/stock');
      if (head.status !== 200) throw new Error(`stock answered ${JSON.stringify(head.body)}`);
      const filled = ledger.residentMiB();
      console.log(`resident after filling: ${filled.total.toFixed(0)} MiB, its own ${filled.own.toFixed(0)} MiB`);
      const starts: number[] = [];
      const total: number[] = [];
      const own: number[] = [];
      for (let run = 0; run < 3; run += 1) {
        await ledger.end('SIGTERM');
        const from = performance.now();
        await ledger.start(120_000);
        starts.push((performance.now() - from) / 1000);
        const stock = await ledger.call('GET', '/v1/reports/stock');
        if (stock.status !== 200) throw new Error(`stock answered ${JSON.stringify(stock.body)}`);
        total.push(ledger.residentMiB().total);
        own.push(ledger.residentMiB().own);
      }
      console.log(
        `start to ready from the snapshot: median ${median(starts).toFixed(1)} s; resident then: median ${median(total).toFixed(0)} MiB, its own ${median(own).toFixed(0)} MiB`,
      );
    } finally {
      await ledger.end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
