import { readFile } from 'node:fs/promises';
import type { SlaComparison, SlaReplayBreach, SlaReplayResult } from '#libs/history/src/sla-replay.js';
import { SystemClock, toIso } from '#libs/platform/src/clock.js';
import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';
import { collected, runWhatIf } from './what-if.js';

interface Options {
  readonly agreement?: string;
  readonly replaces?: string;
  readonly calendar?: readonly string[];
  readonly from: string;
  readonly to?: string;
  readonly asOf?: string;
  readonly name?: string;
  readonly json?: boolean;
}

/** So many gained breaches are shown to people; `--json` has more. */
const SHOWN = 10;

export const slaReplayVerb: Verb = (program) => {
  program
    .command('sla-replay')
    .description('try another service agreement or calendars on the promises of the past, without touching a lead')
    .option('--agreement <file>', 'JSON file of an agreement, or <id>@<version>')
    .option('--replaces <id>', 'only promises made under this agreement (default: all)')
    .option(
      '--calendar <id=file>',
      'JSON file of a calendar in place of this one, or <id>@<version>; repeat',
      collected,
    )
    .requiredOption('--from <date>', 'promises made from then on (date or instant)')
    .option('--to <date>', 'and before then (default: today, 00:00 UTC)')
    .option('--as-of <instant>', 'look at nothing that was recorded later (default: now)')
    .option('--name <name>', 'what to call the run')
    .option('--json', 'print one JSON document')
    .action(async ({ agreement, asOf, calendar = [], from, json, name, replaces, to }: Options) => {
      const window = { from, to: to ?? toIso(new SystemClock().nowMs()).slice(0, 10) };
      const body = {
        name,
        window,
        asOf,
        agreement: agreement === undefined ? undefined : { ...(await agreementOf(agreement)), replaces },
        calendars: await Promise.all(calendar.map(calendarOf)),
      };
      const run = await runWhatIf<SlaReplayResult>(await LedgerHttp.open(), { path: '/v1/sla-replays', body, label: 'replaying promises', json }); // prettier-ignore
      print(json, run, () => [...linesOf(run.result), '', `run ${run.id}, data up to ${run.datasetPosition ?? 'nothing'}`]); // prettier-ignore
    });
};

const KNOWN = /^([A-Za-z0-9][\w.+:-]*)@([1-9]\d*)$/;

async function agreementOf(given: string): Promise<object> {
  const [, agreementId, version] = KNOWN.exec(given) ?? [];
  return agreementId === undefined ? { document: await jsonOf('--agreement', given) } : { agreementId, version: Number(version) }; // prettier-ignore
}

async function calendarOf(given: string): Promise<object> {
  const [, known, version] = KNOWN.exec(given) ?? [];
  if (known !== undefined) return { calendarId: known, version: Number(version) };
  const [calendarId = '', file] = given.split(/=(.*)/s);
  if (file === undefined) throw new Error(`--calendar ${given}: neither <id>=<file> nor <id>@<version>`);
  return { calendarId, document: await jsonOf('--calendar', file) };
}

async function jsonOf(option: string, file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    throw new Error(`${option} ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function linesOf({ byClockType, byOwner, byTeam, caveats, check, gained, leads, total }: SlaReplayResult): string[] {
  return [
    `${leads} leads, ${check.clocks} promises made; ${check.differences} of them are not what the policies of then make of their facts`,
    '',
    ...comparisons([
      ['all', total],
      ...byClockType.map((row): Row => [row.clockType, row]),
      ...byTeam.map((row): Row => [`team ${row.teamId ?? '–'}`, row]),
      ...byOwner.map((row): Row => [row.ownerId ?? 'nobody', row]),
    ]),
    ...(gained.items.length === 0 ? [] : ['', 'broken only under the other policies:']),
    ...gained.items.slice(0, SHOWN).map(told),
    '',
    ...caveats.map((caveat) => `* ${caveat}`),
  ];
}

type Row = readonly [name: string, comparison: SlaComparison];

const comparisons = (rows: readonly Row[]): string[] =>
  table(
    ['', 'kept then', 'kept otherwise', 'broken then', 'broken otherwise', 'gained', 'avoided'],
    rows.map(([name, { avoided, gained, recorded, whatIf }]) => [
      name,
      percent(recorded.attainment.rate),
      percent(whatIf.attainment.rate),
      recorded.breached,
      whatIf.breached,
      gained,
      avoided,
    ]),
  );

const percent = (rate: number | null): string | null => (rate === null ? null : `${(rate * 100).toFixed(1)} %`);
const told = ({ clockType, leadId, ownerId, stoppedAt, teamId, whatIfDueAt }: SlaReplayBreach): string =>
  `  ${leadId}  ${clockType}  due ${whatIfDueAt ?? '–'}, ${stoppedAt === null ? 'open' : `kept ${stoppedAt}`}  ${ownerId ?? teamId ?? ''}`;
