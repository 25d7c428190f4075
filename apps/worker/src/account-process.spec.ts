import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedLog } from '#libs/event-log/src/embedded-log.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { TestClock } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { AccountProcess, type AccountProcessOptions, type LeadFollowUp } from './account-process.js';

const START = Date.parse('2026-03-02T10:00:00.000Z');
const LEADS = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
const iso = (ms: number) => new Date(ms).toISOString();

let dir: string;
let clock: TestClock;
let log: EmbeddedLog;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'account-process-'));
  clock = new TestClock(START);
  log = await EmbeddedLog.open({ dir, clock });
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await log.close();
  rmSync(dir, { recursive: true, force: true });
});

let events = 0;
/** One more event; answers its id. */
async function recorded(stream: string, type: string, data: object = {}): Promise<string> {
  const id = derivedId(`event-${++events}`, LEADS[0]!);
  const event = { id, type, data: { occurredAt: iso(clock.nowMs()), ...data }, metadata: {} };
  await log.append({ stream, expectedRevision: 'any', events: [event] });
  return id;
}

/** A worker over two leads of `acme`; what it sends is written down. */
function worker(options: Partial<AccountProcessOptions> = {}) {
  const sent: LeadFollowUp[] = [];
  const assessed: string[] = [];
  const process = new AccountProcess({
    log,
    clock,
    testClock: true,
    retryMs: 5,
    leadsOf: (accountId) => Promise.resolve(accountId === 'acme' ? LEADS : []),
    accountsWithLeads: () => Promise.resolve(['acme']),
    assessAccount: (accountId) => Promise.resolve(assessed.push(accountId)),
    execute: (command) => Promise.resolve(sent.push(command)),
    ...options,
  });
  const stopping = new AbortController();
  const running = process.run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await running;
  };
  stops.push(stop);
  return { process, sent, assessed, stop };
}
const names = (sent: readonly LeadFollowUp[]) => sent.map(({ name, leadId }) => `${name} ${leadId.slice(-1)}`).sort();

describe('what happens to an account', () => {
  it('reaches each of its leads in the name of a policy', async () => {
    await recorded('account-acme', 'AccountIcpAssessed');
    await recorded('account-globex', 'AccountIcpAssessed');
    const left = await recorded('account-acme', 'DecisionMakerLeft', { leadId: LEADS[0], at: iso(START) });
    await recorded('account-acme', 'AccountMerged', { survivorId: 'globex' });
    const { process, sent } = worker();
    await process.caughtUp();
    expect(names(sent)).toEqual([
      'AssessIcpFit 1',
      'AssessIcpFit 2',
      'ChangeDecisionMaker 1',
      'ChangeDecisionMaker 2',
      'LinkAccount 1',
      'LinkAccount 2',
    ]);
    expect(sent.find(({ name, leadId }) => name === 'ChangeDecisionMaker' && leadId === LEADS[1])).toMatchObject({
      actor: { type: 'system', id: 'system:decisionMakerLeft' },
      causationId: left,
      body: { kind: 'left', previousLeadId: LEADS[0], occurredAt: iso(START) },
    });
  });

  it('is the same commands from whichever worker', async () => {
    await recorded('account-acme', 'AccountIcpAssessed');
    const [one, other] = [worker(), worker()];
    await Promise.all([one.process.caughtUp(), other.process.caughtUp()]);
    const sent = [...one.sent, ...other.sent];
    expect(new Set(sent.map(({ commandId }) => commandId)).size).toBe(2);
    expect(new Set(names(sent))).toEqual(new Set(['AssessIcpFit 1', 'AssessIcpFit 2']));
  });

  it('reaches the other leads when one refuses, and waits while the views are behind', async () => {
    await recorded('account-acme', 'AccountIcpAssessed');
    let asked = 0;
    const reached: string[] = [];
    const { process } = worker({
      leadsOf: () => {
        if (++asked < 3) throw new Problem('PROJECTION_BEHIND', 'not yet');
        return Promise.resolve(LEADS);
      },
      execute: ({ leadId }) => {
        if (leadId === LEADS[0]) throw new LeadError('LEAD_ERASED', 'gone');
        return Promise.resolve(reached.push(leadId));
      },
    });
    await process.caughtUp();
    expect({ asked, reached }).toEqual({ asked: 3, reached: [LEADS[1]] });
  });

  it('is not repeated after a restart', async () => {
    await recorded('account-acme', 'AccountIcpAssessed');
    const first = worker();
    await first.process.caughtUp();
    await first.stop();
    await recorded('account-acme', 'AccountMerged', { survivorId: 'globex' });
    const second = worker();
    await second.process.caughtUp();
    expect(names(first.sent)).toEqual(['AssessIcpFit 1', 'AssessIcpFit 2']);
    expect(names(second.sent)).toEqual(['LinkAccount 1', 'LinkAccount 2']);
  });
});

describe('a profile that comes into force', () => {
  it('has every account with leads judged anew', async () => {
    await recorded('icp-default', 'IcpActivated', { version: 2, effectiveFrom: iso(START) });
    const { process, assessed } = worker();
    await process.caughtUp();
    expect(assessed).toEqual(['acme']);
  });

  it('later is waited for, also over a restart', async () => {
    const tomorrow = START + 86_400_000;
    await recorded('icp-default', 'IcpActivated', { version: 2, effectiveFrom: iso(tomorrow) });
    await recorded('account-acme', 'AccountIcpAssessed');
    const first = worker();
    await first.process.caughtUp();
    await sleep(20);
    expect(first.assessed).toEqual([]);
    await first.stop();
    const second = worker();
    await second.process.caughtUp();
    expect(second.assessed).toEqual([]);
    clock.set(tomorrow);
    await second.process.caughtUp();
    expect(second.assessed).toEqual(['acme']);
    await second.stop();
    const down = worker();
    await down.process.caughtUp();
    // Asked once more under the same command id: a worker that was down then has to.
    expect(down.assessed).toEqual(['acme']);
  });
});
