import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Argument, type Command, Option } from 'commander';
import { exportColumns, exportTables, TABLE_FORMATS, type TableFormat } from './export-tables.js';
import { LedgerHttp, queryString } from './ledger-http.js';
import { print } from './output.js';
import type { Verb } from './verb.js';

const KINDS = ['audit', 'leads', 'visits', 'events'] as const;
type Kind = (typeof KINDS)[number];
type What = Kind | TableFormat | 'columns';

interface Options {
  readonly out?: string;
  readonly format: 'ndjson' | 'csv';
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly filter?: readonly string[];
  readonly after?: string;
  readonly types?: string;
  readonly table?: readonly string[];
  readonly all?: boolean;
  readonly json?: boolean;
}

/** What each kind may be asked, beside the format. */
const ASKED: Readonly<Record<What, readonly (keyof Options)[]>> = {
  audit: ['from', 'to', 'tz', 'filter'],
  leads: ['filter'],
  visits: ['from', 'to', 'tz', 'filter'],
  events: ['after', 'types'],
  parquet: ['table', 'all'],
  csv: ['table', 'all'],
  ndjson: ['table', 'all'],
  columns: [],
};
const ANY_KIND: ReadonlySet<string> = new Set(['out', 'format', 'json']);

export const exportVerb: Verb = (program) => {
  program
    .command('export')
    .description(
      'write the audit trail, leads, their visits or their events to a file or to stdout, or tables of the history to a folder (docs/analysts)',
    )
    .addArgument(
      new Argument('<what>', 'what to export, or how tables are written').choices([
        ...KINDS,
        ...TABLE_FORMATS,
        'columns',
      ]),
    )
    .option('--out <file>', 'default: stdout; a folder for tables')
    .addOption(new Option('--format <format>', 'how to write it').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--from <date>', 'start of the period, included (audit, visits)')
    .option('--to <date>', 'end of the period, excluded (audit, visits)')
    .option('--tz <zone>', 'time zone of the dates (audit, visits); default UTC')
    .option('--filter <name=value...>', 'as the filters of GET /v1/leads, e.g. state=MQL owner=rita (not events)')
    .option('--after <position>', 'only what was recorded after it (events)')
    .option('--types <list>', 'comma-separated types (events)')
    .option('--table <name...>', 'tables of the history (parquet, csv, ndjson)')
    .option('--all', 'every table of the history (parquet, csv, ndjson)')
    .option('--json', 'print a summary as JSON when the data goes to a file')
    .action(async (what: What, options: Options, command: Command) => {
      const { json, out } = options;
      for (const name of Object.keys(options) as (keyof Options)[])
        if (!ANY_KIND.has(name) && !ASKED[what].includes(name))
          command.error(`error: --${name} means nothing for ${what}`);
      if (what === 'columns') return exportColumns(out ?? null);
      if (isTableFormat(what)) return tables(what, options, command);
      const { after, format, from, to, types, tz } = options;
      const query = new URLSearchParams(queryString({ format, from, to, tz, after, types }));
      for (const [name, value] of filters(options.filter ?? [], command)) query.append(`filter[${name}]`, value);
      const ledger = await LedgerHttp.open();
      const path = what === 'audit' ? '/v1/audit' : `/v1/export/${what}`;
      const { body, headers } = await ledger.answer('GET', `${path}?${query.toString()}`);
      const content = Readable.fromWeb(body as never);
      if (out === undefined) {
        await pipeline(content, process.stdout, { end: false });
        return;
      }
      await pipeline(content, createWriteStream(out, { mode: 0o600, flush: true }));
      const rows = Number(headers.get('x-ledger-rows') ?? 0);
      const sha256 = headers.get('x-ledger-sha256');
      const summary = { what, rows, sha256, position: headers.get('x-ledger-position'), out };
      const text = `${rows} rows of ${what} in ${out}, sha256 ${sha256 ?? 'unknown'}`;
      process.stdout.write(`${json === true ? JSON.stringify(summary) : text}\n`);
    });
};

const isTableFormat = (what: What): what is TableFormat => TABLE_FORMATS.includes(what as TableFormat);

async function tables(format: TableFormat, { all, json, out, table }: Options, command: Command): Promise<void> {
  if ((all === true) === (table !== undefined))
    command.error('error: name tables by --table <name>, or take --all of them');
  if (out === undefined) command.error('error: --out <folder> says where the files go');
  const files = await exportTables(await LedgerHttp.open(), format, table ?? null, out);
  print(json, { format, files }, () => files.map(({ out, rows, table }) => `${rows} rows of ${table} in ${out}`));
}

/** Those of one name are alternatives, as in a query. */
function filters(given: readonly string[], command: Command): [name: string, value: string][] {
  return given.map((one) => {
    const at = one.indexOf('=');
    if (at < 1) command.error(`error: --filter ${one}: write it as name=value`);
    return [one.slice(0, at), one.slice(at + 1)];
  });
}
