import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Argument, type Command, Option } from 'commander';
import { LedgerHttp, queryString } from './ledger-http.js';
import type { Verb } from './verb.js';

const KINDS = ['audit', 'leads', 'visits', 'events'] as const;
type Kind = (typeof KINDS)[number];

interface Options {
  readonly out?: string;
  readonly format: 'ndjson' | 'csv';
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly filter?: readonly string[];
  readonly after?: string;
  readonly types?: string;
  readonly json?: boolean;
}

/** What each kind may be asked, beside the format. */
const ASKED: Readonly<Record<Kind, readonly (keyof Options)[]>> = {
  audit: ['from', 'to', 'tz', 'filter'],
  leads: ['filter'],
  visits: ['from', 'to', 'tz', 'filter'],
  events: ['after', 'types'],
};
const ANY_KIND: ReadonlySet<string> = new Set(['out', 'format', 'json']);

export const exportVerb: Verb = (program) => {
  program
    .command('export')
    .description('write the audit trail, leads, their visits or their events to a file or to stdout')
    .addArgument(new Argument('<what>', 'what to export').choices(KINDS))
    .option('--out <file>', 'default: stdout')
    .addOption(new Option('--format <format>', 'how to write it').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--from <date>', 'start of the period, included (audit, visits)')
    .option('--to <date>', 'end of the period, excluded (audit, visits)')
    .option('--tz <zone>', 'time zone of the dates (audit, visits); default UTC')
    .option('--filter <name=value...>', 'as the filters of GET /v1/leads, e.g. state=MQL owner=rita (not events)')
    .option('--after <position>', 'only what was recorded after it (events)')
    .option('--types <list>', 'comma-separated types (events)')
    .option('--json', 'print a summary as JSON when the data goes to a file')
    .action(async (what: Kind, options: Options, command: Command) => {
      const { json, out } = options;
      for (const name of Object.keys(options) as (keyof Options)[])
        if (!ANY_KIND.has(name) && !ASKED[what].includes(name))
          command.error(`error: --${name} means nothing for ${what}`);
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

/** Those of one name are alternatives, as in a query. */
function filters(given: readonly string[], command: Command): [name: string, value: string][] {
  return given.map((one) => {
    const at = one.indexOf('=');
    if (at < 1) command.error(`error: --filter ${one}: write it as name=value`);
    return [one.slice(0, at), one.slice(at + 1)];
  });
}
