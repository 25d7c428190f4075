import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, LedgerProcess } from '../support/ledger-process.js';

/**
 * `npm run faults -- kill-nine [rounds] [seed]`: commands under load, SIGKILL at a random moment, restart, look.
 * After every restart: each acknowledged event is in the log once; commands in flight at the kill are sent again under
 * their own id and must end up applied exactly once; the live figures equal a rebuild from zero.
 */

const CONNECTIONS = 16;

interface Sent {
  readonly commandId: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  /** Ids of the events its answer named; undefined while nothing was answered. */
  eventIds?: string[];
  leadId?: string;
  /** Answered with a refusal: nothing may be in the log. */
  refused?: boolean;
}

/** mulberry32: the run can be repeated from its seed. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const capture = (n: string) => ({
  person: { givenName: 'Ada', email: `ada.${n}@example.org` },
  captureMethod: 'form',
  interest: { kind: 'active', request: 'demo' },
  source: { channel: 'search' },
  consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
});

const rounds = Number(process.argv[2] ?? 50);
const seed = Number(process.argv[3] ?? 1);
const next = random(seed);
const dataDir = mkdtempSync(join(tmpdir(), 'lead-ledger-kill-nine-'));
const ledger = new LedgerProcess(dataDir, await freePort());
const steps: readonly [string, Record<string, unknown>][] = [
  ['mark-mql', { reason: 'meets the agreed criteria' }],
  ['accept', {}],
  ['contact-attempts', { channel: 'phone', outcome: 'connected' }],
  ['behaviours', { kind: 'pricing_page' }],
];
const leads: { id: string; step: number }[] = [];
let acknowledged = 0;
let resent = 0;
const failures: string[] = [];

async function send(sent: Sent): Promise<void> {
  const { status, body } = await ledger.call('POST', sent.path, sent.body, sent.commandId);
  if (status < 300) {
    const answer = body as { leadId: string; events: { eventId: string }[] };
    sent.eventIds = answer.events.map(({ eventId }) => eventId);
    sent.leadId = answer.leadId;
  } else if (status < 500) {
    sent.refused = true;
    failures.push(`${sent.path} ${JSON.stringify(sent.body)} was refused: ${JSON.stringify(body)}`);
  }
}

async function worker(log: Sent[], stop: { now: boolean }): Promise<void> {
  while (!stop.now) {
    const lead = next() < 0.7 ? leads.splice(Math.floor(next() * leads.length), 1)[0] : undefined;
    const step = lead ? steps[lead.step] : undefined;
    const sent: Sent =
      lead && step
        ? { commandId: randomUUID(), path: `/v1/leads/${lead.id}/${step[0]}`, body: step[1] }
        : { commandId: randomUUID(), path: '/v1/leads', body: capture(randomUUID()) };
    log.push(sent);
    try {
      await send(sent);
    } catch {
      return; // The process is gone; what was in flight is sent again after the restart.
    }
    if (sent.leadId) leads.push({ id: sent.leadId, step: lead ? lead.step + 1 : 0 });
  }
}

/** Every event of these leads in the log, by id, with how often it stands there. */
async function eventsOf(leadId: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const { body } = await ledger.call('GET', `/v1/events?leadId=${leadId}&limit=1000`);
  for (const event of (body as { events: { id: string }[] }).events)
    counts.set(event.id, (counts.get(event.id) ?? 0) + 1);
  return counts;
}

try {
  await ledger.start();
  for (let round = 1; round <= rounds; round += 1) {
    const log: Sent[] = [];
    const stop = { now: false };
    const load = Promise.all(Array.from({ length: CONNECTIONS }, () => worker(log, stop)));
    await sleep(200 + next() * 1300);
    await ledger.end('SIGKILL');
    stop.now = true;
    await load;
    await ledger.start();

    for (const sent of log.filter(({ eventIds, refused }) => !eventIds && !refused)) {
      resent += 1;
      await send(sent);
      await send(sent); // Twice: the second is a repetition and must change nothing.
      if (sent.leadId) leads.push({ id: sent.leadId, step: steps.length });
    }
    const byLead = new Map<string, Sent[]>();
    for (const sent of log) if (sent.leadId) byLead.set(sent.leadId, [...(byLead.get(sent.leadId) ?? []), sent]);
    for (const [leadId, commands] of byLead) {
      const counts = await eventsOf(leadId);
      for (const { eventIds, path } of commands) {
        acknowledged += 1;
        for (const eventId of eventIds ?? []) {
          const times = counts.get(eventId) ?? 0;
          if (times !== 1) failures.push(`round ${round}: event ${eventId} of ${path} is in the log ${times} times`);
        }
      }
    }
    const { body } = await ledger.call('POST', '/v1/projections/funnel/rebuild?wait=60', {});
    const { report } = body as { report: { equal: boolean } | null };
    if (report?.equal !== true) failures.push(`round ${round}: rebuild says ${JSON.stringify(body)}`);
    console.log(`round ${round}: ${log.length} commands sent, ${acknowledged} acknowledged so far, ${resent} sent again, ${failures.length} failures`);
  } // prettier-ignore
} finally {
  await ledger.end('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
}

console.log(
  `kill-nine: ${rounds} kills, seed ${seed}, ${acknowledged} acknowledged commands looked for, ${failures.length} failures`,
);
for (const failure of failures.slice(0, 20)) console.error(failure);
process.exit(failures.length > 0 ? 1 : 0);
