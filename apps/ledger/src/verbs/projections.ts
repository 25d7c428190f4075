import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';

export interface ProjectionCard {
  readonly name: string;
  readonly version: number | null;
  readonly position: string | null;
  readonly head: string | null;
  readonly lag: { readonly events: number; readonly seconds: number } | null;
  readonly parked: number;
  readonly rebuild: Rebuild | null;
}
interface Rebuild {
  readonly status: 'running' | 'done' | 'failed';
  readonly report: { readonly equal: boolean } | null;
  readonly error: string | null;
}
interface Parked {
  readonly entity: string;
  readonly error: string;
}

const WAIT_S = 30;

export async function listProjections(ledger: LedgerHttp): Promise<readonly ProjectionCard[]> {
  const { projections } = await ledger.json<{ projections: ProjectionCard[] }>('GET', '/v1/projections');
  return projections;
}

export const projectionsVerb: Verb = (program) => {
  program
    .command('projections')
    .description('the read models: version, position, how far behind, parked leads')
    .option('--json', 'print one JSON document')
    .action(async ({ json }: { json?: boolean }) => {
      const projections = await listProjections(await LedgerHttp.open());
      print(json, { projections }, () =>
        table(
          ['name', 'version', 'position', 'lag events', 'lag s', 'parked'],
          projections.map((it) => [it.name, it.version, it.position, it.lag?.events, it.lag?.seconds, it.parked]),
        ),
      );
    });
};

export const rebuildVerb: Verb = (program) => {
  program
    .command('rebuild')
    .description('fill a read model anew from the log beside the live one, compare, switch')
    .argument('[name]', 'default: every one')
    .option('--json', 'print one JSON document')
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const ledger = await LedgerHttp.open();
      const names = name === undefined ? (await listProjections(ledger)).map((it) => it.name) : [name];
      const rebuilt: ({ readonly name: string } & Rebuild)[] = [];
      for (const each of names) {
        const path = `/v1/projections/${encodeURIComponent(each)}/rebuild`;
        let rebuild = await ledger.json<Rebuild>('POST', `${path}?wait=${WAIT_S}`);
        while (rebuild.status === 'running') {
          await sleep(500);
          const now = (await listProjections(ledger)).find((it) => it.name === each)?.rebuild;
          if (now === null || now === undefined)
            throw new Error(`${each}: the rebuild is gone; was the ledger restarted?`);
          rebuild = now;
        }
        rebuilt.push({ name: each, ...rebuild });
      }
      if (rebuilt.some(({ status }) => status === 'failed')) process.exitCode = 1;
      print(json, { rebuilt }, () =>
        rebuilt.map(({ name: each, status, report, error }) =>
          status === 'failed'
            ? `${each}: failed: ${error}`
            : `${each}: rebuilt, ${report?.equal === true ? 'equal to' : 'DIFFERENT from'} the one before`,
        ),
      );
    });
};

export const parkedVerb: Verb = (program) => {
  program
    .command('parked')
    .description('leads whose events a read model refuses, and why')
    .argument('[name]', 'default: of every read model')
    .option('--retry <lead>', 'fold this lead again; needs the name')
    .option('--json', 'print one JSON document')
    .action(async (name: string | undefined, { json, retry }: { json?: boolean; retry?: string }, command: Command) => {
      const ledger = await LedgerHttp.open();
      if (retry !== undefined) {
        if (name === undefined) command.error('error: --retry needs the name of the read model');
        const path = `/v1/projections/${encodeURIComponent(name)}/parked/${encodeURIComponent(retry)}/retry`;
        const retried = await ledger.json<{ entity: string; resumed: boolean }>('POST', path);
        if (!retried.resumed) process.exitCode = 1;
        print(json, retried, () => [`${retry}: ${retried.resumed ? 'goes on' : 'still refused'}`]);
        return;
      }
      const names = name === undefined ? (await listProjections(ledger)).map((it) => it.name) : [name];
      const parked: ({ readonly name: string } & Parked)[] = [];
      for (const each of names) {
        const found = await ledger.json<{ parked: Parked[] }>(
          'GET',
          `/v1/projections/${encodeURIComponent(each)}/parked`,
        );
        parked.push(...found.parked.map((it) => Object.assign(it, { name: each })));
      }
      print(json, { parked }, () =>
        parked.length === 0
          ? ['none']
          : table(['read model', 'lead', 'error'], parked.map((it) => [it.name, it.entity, it.error])),
      ); // prettier-ignore
    });
};
