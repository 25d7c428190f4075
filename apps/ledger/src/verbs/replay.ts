import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CandidateResult, ChangedGroup, ReplayResult } from '#libs/history/src/replay.js';
import type { Quality } from '#libs/history/src/replay-metrics.js';
import { SystemClock, toIso } from '#libs/platform/src/clock.js';
import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';
import { collected, modelOf, runWhatIf } from './what-if.js';

interface Options {
  readonly model: readonly string[];
  readonly from: string;
  readonly to?: string;
  readonly label: string;
  readonly horizon: number;
  readonly asOf?: string;
  readonly by?: string;
  readonly name?: string;
  readonly position?: string;
  readonly json?: boolean;
}

/** So many gained and lost leads are shown to people; `--json` has more. */
const SHOWN = 5;

export const replayVerb: Verb = (program) => {
  program
    .command('replay')
    .description('try scoring models on the past, side by side, without touching a lead')
    .requiredOption('--model <file>', 'JSON file of a model, active, or <id>@<version>; repeat to compare', collected)
    .requiredOption('--from <date>', 'leads captured from then on (date or instant)')
    .option('--to <date>', 'and before then (default: today, 00:00 UTC)')
    .addOption(
      new Option('--label <label>', 'what a flagged lead is hoped to become')
        .choices(['accepted', 'sql', 'won'])
        .default('sql'),
    ) // prettier-ignore
    .option('--horizon <days>', 'within so many days of its capture', wholeDays, 180)
    .option('--as-of <instant>', 'look at nothing that happened later (default: now)')
    .option('--by <dimensions>', 'split by, e.g. source,team')
    .option('--name <name>', 'what to call the run')
    .option('--position <position>', 'of an earlier run, to repeat it')
    .option('--json', 'print one JSON document')
    .action(async ({ asOf, by, from, horizon, json, label, model, name, position, to }: Options, _: Command) => {
      const models = await Promise.all(model.map(modelOf));
      const window = { from, to: to ?? toIso(new SystemClock().nowMs()).slice(0, 10) };
      const body = { name, models, window, label, horizonDays: horizon, asOf, by: by?.split(','), position };
      const run = await runWhatIf<ReplayResult>(await LedgerHttp.open(), { path: '/v1/replays', body, label: 'replaying', json }); // prettier-ignore
      print(json, run, () => [...linesOf(run.result), '', `run ${run.id}, data up to ${run.datasetPosition ?? 'nothing'}`]); // prettier-ignore
    });
};

function wholeDays(text: string): number {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1) throw new InvalidArgumentError('whole days from 1');
  return days;
}

const percent = (rate: number | null): string | null => (rate === null ? null : `${(rate * 100).toFixed(1)} %`);
const between = ({ interval, rate }: Quality['precision']): string | null =>
  rate === null || interval === null
    ? null
    : `${percent(rate)} (${(interval[0] * 100).toFixed(1)}–${(interval[1] * 100).toFixed(1)})`;
const points = (mp: number): string => String(Math.round(mp / 100) / 10);

function linesOf({
  actual,
  candidates,
  caveats,
  flags,
  horizonDays,
  label,
  population,
  window,
}: ReplayResult): string[] {
  const { baseRate } = actual.quality;
  const row = (name: string, { f1, flagged, lift, precision, recall }: Quality, auc: number | null | undefined) =>
    [name, flagged, between(precision), between(recall), f1?.toFixed(3), lift?.toFixed(2), auc?.toFixed(3)]; // prettier-ignore
  return [
    `${population.leads} leads captured from ${day(window.from)} to ${day(window.to)}; ${population.judged} judged: ${label} within ${horizonDays} days, ${baseRate.numerator} of them (${percent(baseRate.rate) ?? '–'})`,
    ...flags.map((flag) => `! ${flag.toLowerCase().replaceAll('_', ' ')}`),
    '',
    ...table(
      ['model', 'flagged', 'precision (95 %)', 'recall (95 %)', 'F1', 'lift', 'AUC'],
      [
        row('actual marks', actual.quality, null),
        ...candidates.map(({ auc, name, quality }) => row(name, quality, auc)),
      ],
    ),
    ...candidates.flatMap(changesOf),
    '',
    ...caveats.map((caveat) => `* ${caveat}`),
  ];
}

const day = (instant: string): string => instant.slice(0, 10);

function changesOf({ changes, flags, name, volume }: CandidateResult): string[] {
  const { overflow, weeks } = volume;
  const most = weeks.reduce((found, { flagged }) => Math.max(found, flagged), 0);
  return [
    '',
    `${name}: at most ${most} flagged in a week${overflow === null ? '' : `, ${overflow} beyond what sales can take`}${flags.length === 0 ? '' : ` (${flags.join(', ').toLowerCase().replaceAll('_', ' ')})`}`,
    ...changes.flatMap(({ against, gained, lost, shift }) => [
      `  against ${against}: ${changed(gained)} gained, ${changed(lost)} lost${shift.median === null ? '' : `, ${shift.leads} flagged by both, by a median of ${shift.median} days`}`,
      ...[['+', gained] as const, ['-', lost] as const].flatMap(([sign, { listed }]) =>
        listed
          .slice(0, SHOWN)
          .map(
            ({ at, because, grade, leadId, outcome, total }) =>
              `    ${sign} ${leadId}  ${day(at)}  ${points(total)} ${grade}  ${outcome}  ${because.map(({ mp, ruleId }) => `${ruleId} +${points(mp)}`).join(', ')}`,
          ),
      ),
    ]),
  ];
}

const changed = ({ leads, positives }: ChangedGroup): string => `${leads} (${positives} came true)`;
