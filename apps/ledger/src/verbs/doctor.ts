import { statfs } from 'node:fs/promises';
import { LedgerAnswerError, LedgerHttp } from './ledger-http.js';
import { print } from './output.js';
import { listProjections } from './projections.js';
import type { Verb } from './verb.js';

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly says: string;
}
interface Readiness {
  readonly ready: boolean;
  readonly log: string;
  readonly missing: readonly string[];
  readonly views: string;
}

const LITTLE_DISK_BYTES = 1024 ** 3;
const LAGGING_S = 60;

export const doctorVerb: Verb = (program) => {
  program
    .command('doctor')
    .description('is the ledger reachable, ready, up to date; does the key work; is there disk left')
    .option('--json', 'print one JSON document')
    .action(async ({ json }: { json?: boolean }) => {
      const ledger = await LedgerHttp.open();
      const checks: Check[] = [{ check: 'node', ok: true, says: process.version }];
      const add = async (check: string, look: () => Promise<readonly [boolean, string]>): Promise<boolean> => {
        let found: readonly [boolean, string];
        try {
          found = await look();
        } catch (error) {
          found = [false, error instanceof Error ? error.message : String(error)];
        }
        checks.push({ check, ok: found[0], says: found[1] });
        return found[0];
      };
      const reachable = await add('reachable', async () => {
        await ledger.answer('GET', '/healthz');
        return [true, ledger.url];
      });
      if (reachable) {
        await add('ready', () => readiness(ledger));
        await add('version', async () => {
          const { info } = await ledger.json<{ info: { version: string } }>('GET', '/openapi.json');
          return [true, info.version];
        });
        await add('key and lag', () => lag(ledger));
      }
      await add('disk', () => disk(ledger.dataDir));
      const ok = checks.every((it) => it.ok);
      if (!ok) process.exitCode = 1;
      print(json, { ok, checks }, () => checks.map((it) => `${it.ok ? 'ok  ' : 'BAD '} ${it.check}: ${it.says}`));
    });
};

async function readiness(ledger: LedgerHttp): Promise<[boolean, string]> {
  const response = await fetch(`${ledger.url}/readyz`);
  const { ready, log, missing, views } = (await response.json()) as Readiness;
  const lacks = missing.length === 0 ? '' : `, not in force: ${missing.join(', ')}`;
  return [ready, `log ${log}, views ${views.replace('_', ' ')}${lacks}`];
}

async function lag(ledger: LedgerHttp): Promise<[boolean, string]> {
  try {
    const projections = await listProjections(ledger);
    const ok = projections.every(({ lag: behind, parked }) => parked === 0 && (behind?.seconds ?? 0) <= LAGGING_S);
    const says = projections.map((it) => `${it.name}@${it.version ?? '–'} ${it.lag?.events ?? '?'} events (${it.lag?.seconds ?? '?'} s) behind, ${it.parked} parked`); // prettier-ignore
    return [ok, says.join('; ')];
  } catch (error) {
    if (error instanceof LedgerAnswerError && error.status === 403)
      return [true, 'the key works; its role may not see lag'];
    if (error instanceof LedgerAnswerError && error.status === 404) return [true, 'the key works; no projector here'];
    throw error;
  }
}

async function disk(dataDir: string): Promise<[boolean, string]> {
  let found: Awaited<ReturnType<typeof statfs>>;
  try {
    found = await statfs(dataDir);
  } catch {
    return [true, `${dataDir} is not on this machine (yet)`];
  }
  const free = found.bavail * found.bsize;
  return [free >= LITTLE_DISK_BYTES, `${(free / 1024 ** 3).toFixed(1)} GiB free under ${dataDir}`];
}
