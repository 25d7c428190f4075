import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Argument, type Command, Option } from 'commander';
import { LedgerHttp, queryString } from './ledger-http.js';
import type { Verb } from './verb.js';

interface Options {
  readonly out?: string;
  readonly format: 'ndjson' | 'csv';
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly json?: boolean;
}
interface Page {
  readonly items: readonly unknown[];
  readonly nextCursor: string | null;
}

const PAGE = 1000;

export const exportVerb: Verb = (program) => {
  program
    .command('export')
    .description('write the audit trail, or every lead, to a file or to stdout')
    .addArgument(new Argument('<what>', 'what to export').choices(['audit', 'leads']))
    .option('--out <file>', 'default: stdout')
    .addOption(new Option('--format <format>', 'leads: ndjson only').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--from <date>', 'start of the period, included (audit)')
    .option('--to <date>', 'end of the period, excluded (audit)')
    .option('--tz <zone>', 'time zone of the dates (audit); default UTC')
    .option('--json', 'print a summary as JSON when the data goes to a file')
    .action(async (what: 'audit' | 'leads', options: Options, command: Command) => {
      const { out, json } = options;
      if (what === 'leads' && options.format === 'csv') command.error('error: leads are exported as ndjson');
      const ledger = await LedgerHttp.open();
      const summary = { what, rows: 0, sha256: null as string | null, position: null as string | null };
      const content = what === 'audit' ? await auditFile(ledger, options, summary) : leadLines(ledger, summary);
      if (out === undefined) {
        await pipeline(content, process.stdout, { end: false });
        return;
      }
      await pipeline(content, createWriteStream(out, { mode: 0o600, flush: true }));
      const text = `${summary.rows} rows of ${what} in ${out}${summary.sha256 === null ? '' : `, sha256 ${summary.sha256}`}`;
      process.stdout.write(`${json === true ? JSON.stringify({ ...summary, out }) : text}\n`);
    });
};

interface Summary {
  rows: number;
  sha256: string | null;
  position: string | null;
}

async function auditFile(ledger: LedgerHttp, { format, from, to, tz }: Options, summary: Summary): Promise<Readable> {
  const response = await ledger.answer('GET', `/v1/audit${queryString({ format, from, to, tz })}`);
  summary.rows = Number(response.headers.get('x-ledger-rows') ?? 0);
  summary.sha256 = response.headers.get('x-ledger-sha256');
  summary.position = response.headers.get('x-ledger-position');
  return Readable.fromWeb(response.body as never);
}

function leadLines(ledger: LedgerHttp, summary: Summary): Readable {
  return Readable.from(
    (async function* () {
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page: Page = await ledger.json('GET', `/v1/leads${queryString({ limit: PAGE, cursor })}`);
        summary.rows += page.items.length;
        yield page.items.map((item) => `${JSON.stringify(item)}\n`).join('');
        cursor = page.nextCursor;
      }
    })(),
    { objectMode: false },
  );
}
