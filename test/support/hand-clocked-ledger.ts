import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { LedgerClient, type Answer } from './ledger-client.js';
import { ledgerHere } from './ledger-here.js';

/** The body of an answer that is as it should be; otherwise the test fails with what was answered instead. */
export async function done(answer: Promise<Answer>, status = 200): Promise<Answer['body']> {
  const { body, status: answered } = await answer;
  if (answered !== status) throw new Error(`answered ${answered}: ${JSON.stringify(body)}`);
  return body;
}

/** A whole ledger in this process, in a folder of its own, by a clock that the test moves. */
export class HandClockedLedger {
  private constructor(
    readonly ledger: RunningLedger,
    readonly admin: LedgerClient,
    private readonly dir: string,
  ) {}

  static async start(now: string): Promise<HandClockedLedger> {
    const adminKey = 'an-administrators-key-of-this-test';
    const dir = await mkdtemp(join(tmpdir(), 'lead-ledger-e2e-'));
    const settings = parseSettings({
      DATA_DIR: join(dir, 'data'),
      PORT: '0',
      LEDGER_ADMIN_KEY: adminKey,
      LEDGER_TEST_CLOCK: '1',
      LOG_LEVEL: 'silent',
    });
    const ledger = await ledgerHere(settings, makeLogger('silent', 'e2e'));
    const started = new HandClockedLedger(ledger, new LedgerClient(ledger.url, adminKey), dir);
    await started.setClock(now);
    return started;
  }

  setClock(now: string): Promise<Answer['body']> {
    return done(this.admin.call('PUT', '/v1/testing/clock', { body: { now, sweep: 'continuous' } }));
  }

  /** Somebody with a key of his own. */
  async person(actorId: string, role: string, teams: string[]): Promise<LedgerClient> {
    const body = { name: actorId, actorId, role, teams };
    return this.admin.as((await done(this.admin.call('POST', '/v1/keys', { body }), 201)).key);
  }

  async stop(): Promise<void> {
    await this.ledger.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
