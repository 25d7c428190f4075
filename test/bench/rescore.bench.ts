import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, LedgerProcess } from '../support/ledger-process.js';
import { median } from './median.js';

const LEADS = 100_000;
const RUNS = 3;
const CHUNK = 2_500;
const MODELS = '/v1/config/scoring-models';
const ROLES = ['influencer', 'user', 'decision_maker', 'unknown'];
const KINDS = ['page_view', 'pricing_page', 'guide', 'email_click'];

/** A lead as one finds it: personal fields, a role, two behaviours, some handed over by a mark. */
function linesOf(leadId: string, n: number): object[] {
  return [
    {
      command: 'CaptureLead',
      leadId,
      person: { givenName: 'Ada', familyName: 'Lovelace', email: `${leadId}@example.org` },
      role: ROLES[n % ROLES.length],
      captureMethod: 'form',
      interest: { kind: 'passive' },
      source: { channel: 'search', code: 'google_ads' },
      consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
    },
    { command: 'RecordBehaviour', leadId, kind: KINDS[n % KINDS.length] },
    { command: 'RecordBehaviour', leadId, kind: 'pricing_page' },
    ...(n % 5 === 0 ? [{ command: 'MarkMQL', leadId, reason: 'meets the agreed criteria' }] : []),
  ];
}

/** Drafts, approves and activates the next version for the leads there are; answers its number. */
async function activate(ledger: LedgerProcess, run: number): Promise<number> {
  const call = async (method: string, path: string, body?: object) => {
    const answer = await ledger.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${path} answered ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  type Versions = { versions: { version: number; document: { thresholds: { mql: object } } }[] };
  const { versions } = (await call('GET', `${MODELS}/default`)) as Versions;
  const { document, version } = versions.at(-1)!;
  const next = version + 1;
  // Each run lets a few more cross: most leads are scored only, some are marked and handed over.
  const thresholds = { ...document.thresholds, mql: { minTotal: 40 - 3 * run, minGrade: 'C' } };
  await call('POST', MODELS, { id: 'default', document: { ...document, name: `Bench ${next}`, thresholds } });
  for (const party of ['marketing', 'sales'])
    await call('POST', `${MODELS}/default/versions/${next}/approve`, { party });
  await call('POST', `${MODELS}/default/versions/${next}/activate`, { rescoreExisting: true });
  return next;
}

/** They come in the order of their capture: when the last ones are scored, all are. */
async function scored(ledger: LedgerProcess, leadIds: readonly string[], version: number): Promise<void> {
  const until = performance.now() + 900_000;
  for (const leadId of leadIds) {
    for (;;) {
      const { body } = await ledger.call('GET', `/v1/leads/${leadId}/score`);
      const { recorded } = body as { recorded: { modelVersion: number } | null };
      if (recorded?.modelVersion === version) break;
      if (performance.now() > until) throw new Error(`lead ${leadId} was not scored under version ${version}`);
      await sleep(100);
    }
  }
}

/** Activation of a scoring model with `rescoreExisting`, from its answer until the last lead is scored, views and all. */
export const bench = {
  name: 'scoring existing leads anew, embedded log, the all-in-one process',
  async run(leads = LEADS): Promise<void> {
    const dataDir = mkdtempSync(join(tmpdir(), 'lead-ledger-rescore-'));
    const ledger = new LedgerProcess(dataDir, await freePort());
    try {
      await ledger.start();
      const leadIds = Array.from({ length: leads }, () => randomUUID());
      for (let from = 0; from < leads; from += CHUNK) {
        const chunk = leadIds.slice(from, from + CHUNK);
        await ledger.batch(
          '/v1/commands',
          chunk.flatMap((leadId, n) => linesOf(leadId, from + n)),
        );
      }
      const last = leadIds.slice(-64);
      // The baseline: as many commands as a person would send, each on a lead that is not in memory.
      const sample = leadIds.slice(0, Math.min(10_000, Math.ceil(leads / 2)));
      let cpuMs = ledger.cpuMs();
      await ledger.batch('/v1/commands', sample.map((leadId) => ({ command: 'RecordBehaviour', leadId, kind: 'page_view' }))); // prettier-ignore
      const baseUs = ((ledger.cpuMs() - cpuMs) * 1000) / sample.length;
      console.log(`baseline, a behaviour on a lead not in memory: ${baseUs.toFixed(0)} µs of processor time`);
      const seconds: number[] = [];
      const costs: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        cpuMs = ledger.cpuMs();
        const started = performance.now();
        await scored(ledger, last, await activate(ledger, run));
        seconds.push((performance.now() - started) / 1000);
        costs.push(((ledger.cpuMs() - cpuMs) * 1000) / leads);
      }
      console.log(
        `${leads.toLocaleString('en')} leads scored anew: median ${median(seconds).toFixed(1)} s, ${median(costs).toFixed(0)} µs of processor time a lead, ratio ${(median(costs) / baseUs).toFixed(2)} (${RUNS} models)`,
      );
    } finally {
      await ledger.end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
