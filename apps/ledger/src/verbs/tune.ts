import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TuningResult } from '#libs/history/src/tune.js';
import type { ScoringModelDocument } from '#libs/scoring/src/model.js';
import { LedgerHttp } from './ledger-http.js';
import { print, table } from './output.js';
import type { Verb } from './verb.js';
import { collected, modelOf, runWhatIf } from './what-if.js';

interface Options {
  readonly label: string;
  readonly horizon: number;
  readonly from?: string;
  readonly to?: string;
  readonly asOf?: string;
  readonly test?: number;
  readonly embargo?: number;
  readonly halfLives?: number[];
  readonly exclude?: string;
  readonly flagged?: number;
  readonly compare?: readonly string[];
  readonly name?: string;
  readonly out?: string;
  readonly json?: boolean;
}

interface Part {
  readonly from: string;
  readonly to: string;
  readonly leads: number;
  readonly positives: number;
}
type Told = Omit<TuningResult, 'train' | 'test'> & { readonly train: Part; readonly test: Part };

export const tuneVerb: Verb = (program) => {
  program
    .command('tune')
    .description('fit a scoring model to what became of leads, and test it on those that came later')
    .addOption(
      new Option('--label <label>', 'what a lead is hoped to become')
        .choices(['accepted', 'sql', 'won'])
        .default('sql'),
    ) // prettier-ignore
    .option('--horizon <days>', 'within so many days of its capture', days, 180)
    .option('--from <date>', 'leads captured from then on (default: the first ever)')
    .option('--to <date>', 'and before then (default: all whose horizon is over)')
    .option('--as-of <instant>', 'look at nothing that happened later (default: now)')
    .option('--test <share>', 'of the leads, the latest, to test on (default: 0.25)', share)
    .option('--embargo <days>', 'before the test that are in neither part (default: the horizon)', days)
    .option('--half-lives <days,…>', 'to choose from (default: 7,14,30,60,90)', dayList)
    .option('--exclude <fields,…>', 'fields and kinds of behaviour that the model must not use')
    .option('--flagged <share>', 'of the training leads to flag (default: as many as the model in force)', share)
    .option('--compare <model>', 'JSON file of a model or <id>@<version>; repeat for more', collected)
    .option('--name <name>', 'what to call the model')
    .option('--out <file>', 'write the model there, to read, edit and draft')
    .option('--json', 'print one JSON document')
    .action(async (options: Options, _: Command) => {
      const { asOf, compare = [], embargo, exclude, flagged, from, halfLives, horizon, json, label, name, out, test, to } = options; // prettier-ignore
      if ((from === undefined) !== (to === undefined)) throw new Error('--from and --to go together');
      // Found out before a fit of some minutes, not after it.
      if (out !== undefined) await access(dirname(out), constants.W_OK);
      const body = {
        name,
        label,
        horizonDays: horizon,
        window: from === undefined ? undefined : { from, to },
        asOf,
        testShare: test,
        embargoDays: embargo,
        halfLivesDays: halfLives,
        exclude: exclude?.split(','),
        flaggedShare: flagged,
        compareWith: await Promise.all(compare.map(modelOf)),
      };
      const ledger = await LedgerHttp.open();
      const run = await runWhatIf<Told>(ledger, { path: '/v1/tunings', body, label: 'tuning', json });
      const { document } = run.result;
      if (out !== undefined) await writeFile(out, `${JSON.stringify(document, null, 2)}\n`);
      print(json, run, () => [
        ...linesOf(run.result),
        '',
        ...(out === undefined ? [] : [`the model is in ${out}: read it, change it, try it with \`ledger replay --model ${out}\``]),
        `run ${run.id}, data up to ${run.datasetPosition ?? 'nothing'}`,
      ]); // prettier-ignore
    });
};

function days(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number < 0 || text.trim() === '') throw new InvalidArgumentError('a number of days');
  return number;
}

const dayList = (text: string): number[] => text.split(',').map(days);

function share(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number < 1)) throw new InvalidArgumentError('a share between 0 and 1');
  return number;
}

function linesOf({ caveats, comparisons, document, fit, models, neverDecided, test, train }: Told): string[] {
  const part = (name: string, { from, leads, positives, to }: Part) =>
    `${name}: ${leads} leads captured from ${from.slice(0, 10)} to ${to.slice(0, 10)}, ${positives} reached it`;
  return [
    part('fitted to', train),
    part('tested on', test),
    `half-life ${fit.halfLifeDays} days${fit.dropped.length === 0 ? '' : `; ${fit.dropped.length} signals left out: they tell nothing`}`,
    '',
    ...table(
      ['model', 'AUC', 'by the highest total', 'from', 'flagged', 'precision', 'recall'],
      models.map(({ auc, aucOfHighest, minTotal, name, quality }) => [
        name, auc?.toFixed(3), aucOfHighest?.toFixed(3), minTotal, quality.flagged, percent(quality.precision.rate), percent(quality.recall.rate),
      ]),
    ), // prettier-ignore
    '',
    ...comparisons.map(({ says }) => says),
    `${neverDecided.numerator} of the ${neverDecided.denominator} test leads it flags were never decided by sales (${percent(neverDecided.rate) ?? '–'}).`,
    '',
    ...rulesOf(document),
    '',
    ...caveats.map((caveat) => `* ${caveat}`),
  ];
}

const percent = (rate: number | null): string | null => (rate === null ? null : `${(rate * 100).toFixed(1)} %`);

const rulesOf = ({ behaviour, fit, penalty, thresholds }: ScoringModelDocument): string[] =>
  table(
    ['rule', 'points'],
    [
      ...[...fit, ...behaviour, ...penalty]
        .toSorted((a, b) => b.points - a.points)
        .map(({ id, label, points }) => [label ?? id, points > 0 ? `+${points}` : points]),
      ['marked as MQL from', thresholds.mql.minTotal],
    ],
  );
