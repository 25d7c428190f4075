import type { Fact } from '#libs/projections/src/projection.js';
import { RANK } from '#libs/lead/src/states.js';
import { AsOf } from './as-of.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { rate } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { mostFirst } from './leak.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { enteredMsOf, firstEnteredMs } from './merges.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue } from './fact-row.js';
import { scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** One fact per lead that told a challenge or looked at content with a topic, by the UTC day of the last of these. */
const CHALLENGE_TABLE = 'challenge';

/** Times since the capture. */
type Told = readonly [
  goals: readonly (readonly [at: number, challenge: string, interested: string])[],
  topics: readonly (readonly [at: number, topic: string])[],
  proposals: readonly (readonly [at: number, ...challenges: string[]])[],
  /** Entries to SQL or higher, and to CUSTOMER. */
  sql: readonly number[],
  won: readonly number[],
];

/** Number: the capture. The rest: what was told. */
export function challengeFacts(row: LeadRow): Fact[] {
  if (!row.notes.some(({ kind }) => kind === 'goal' || kind === 'topic')) return [];
  const goals = notesOf(row.notes, 'goal');
  const topics = notesOf(row.notes, 'topic');
  const last = Math.max(goals.at(-1)?.atMs ?? -Infinity, topics.at(-1)?.atMs ?? -Infinity);
  if (row.visits.length === 0) return [];
  const base = firstEnteredMs(row);
  const entries = (least: number): number[] =>
    row.visits.flatMap(({ state }, index) => (RANK[state] >= least ? [enteredMsOf(row, index) - base] : []));
  const told: Told = [
    goals.map(({ atMs, says }) => [atMs - base, says[0] as string, says[1] as string]),
    topics.map(({ atMs, says }) => [atMs - base, says[0] as string]),
    notesOf(row.notes, 'proposal').map(({ atMs, says }) => [atMs - base, ...(says as string[])]),
    entries(RANK.SQL),
    entries(RANK.CUSTOMER),
  ];
  return [
    {
      kind: 'row',
      table: CHALLENGE_TABLE,
      part: utcDay(last),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner), String(base), told),
    },
  ];
}

/**
 * For who writes the content (spec §8.2): which challenges leads told for the first time in the period, and what became of those
 * leads by asOf; which topics they looked at for the first time in it.
 */
export const challengesParams: ParamSpec = { report: 'challenges', period: true, by: true, groupBy: true };

export interface ChallengesFigures {
  /** Leads that told any challenge. */
  readonly leads: CountFigure;
  readonly challenges: readonly {
    readonly challengeCode: string;
    /** Leads that told it / leads that told any. */
    readonly leads: RateFigure;
    /** Interested in buying, as they said last / leads that told it. */
    readonly interested: RateFigure;
    /** In SQL or higher since / leads that told it. */
    readonly sql: RateFigure;
    readonly won: RateFigure;
    /** Whose last proposal addresses it / those that were sent one since. */
    readonly addressed: RateFigure;
    /** The others of these. */
    readonly leftOut: CountFigure;
  }[];
  readonly topics: readonly {
    readonly topicCode: string;
    /** Leads that looked at it / leads that looked at any. */
    readonly leads: RateFigure;
  }[];
}

/** What a lead told or looked at for the first time. */
type Telling =
  | {
      readonly what: 'challenge';
      readonly code: string;
      readonly atMs: number;
      readonly interested: boolean;
      readonly sql: boolean;
      readonly won: boolean;
      readonly proposed: boolean;
      readonly addressed: boolean;
      readonly leftOut: boolean;
    }
  | { readonly what: 'topic'; readonly code: string; readonly atMs: number };

function* tellings(told: Told, base: number, asOf: AsOf): Generator<Telling> {
  const known = <T extends readonly [number, ...unknown[]]>(times: readonly T[]): T[] =>
    times.filter(([at]) => {
      asOf.sees(base + at);
      return base + at <= asOf.ms;
    });
  const [goals, topics, proposals] = [known(told[0]), known(told[1]), known(told[2])];
  const sql = known(told[3].map((at) => [at] as const));
  const won = known(told[4].map((at) => [at] as const));
  const seen = new Set<string>();
  for (const [at, code] of goals) {
    if (seen.has(code)) continue;
    const proposal = proposals.findLast(([sentAt]) => sentAt >= at);
    yield {
      what: 'challenge',
      code,
      atMs: base + at,
      interested: goals.findLast((goal) => goal[1] === code)?.[2] === 'yes',
      sql: sql.some(([entered]) => entered >= at),
      won: won.some(([entered]) => entered >= at),
      proposed: proposal !== undefined,
      addressed: proposal?.includes(code) === true,
      leftOut: proposal?.includes(code) === false,
    };
    seen.add(code);
  }
  for (const [at, code] of topics) yield { what: 'topic', code, atMs: base + at };
}

/** Each lead that told or looked at anything for the first time in the period, with all of it. */
async function scanTellings(
  view: ReadView,
  params: ReportParams,
  use: (tellings: readonly Telling[], dims: Dims, leadId: string) => void,
  groups?: Groups<Counts>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const asOf = groups?.asOf ?? new AsOf(params.asOfMs);
  await scanFacts(
    view,
    CHALLENGE_TABLE,
    params.fromMs === null ? '' : utcDay(params.fromMs),
    LAST_PART,
    ({ dims, key, numbers, rest }) => {
      if (!passes(dims)) return;
      const all = [...tellings(rest as Told, numbers[0] as number, asOf)];
      const told = all.filter(({ atMs }) => inPeriod(params, atMs));
      if (told.length > 0) use(told, dims, key);
    },
    { params, groups },
  );
}

interface OfChallenge {
  leads: number;
  interested: number;
  sql: number;
  won: number;
  proposed: number;
  addressed: number;
  leftOut: number;
}

interface Counts {
  leads: number;
  readers: number;
  readonly challenges: Map<string, OfChallenge>;
  readonly topics: Map<string, number>;
}

function add(counts: Counts, telling: Telling): void {
  const { code } = telling;
  if (telling.what === 'topic') {
    counts.topics.set(code, (counts.topics.get(code) ?? 0) + 1);
    return;
  }
  let of = counts.challenges.get(code);
  if (of === undefined)
    counts.challenges.set(
      code,
      (of = { leads: 0, interested: 0, sql: 0, won: 0, proposed: 0, addressed: 0, leftOut: 0 }),
    );
  of.leads += 1;
  for (const name of ['interested', 'sql', 'won', 'proposed', 'addressed', 'leftOut'] as const)
    if (telling[name]) of[name] += 1;
}

export async function challengesReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => ({
    leads: 0,
    readers: 0,
    challenges: new Map(),
    topics: new Map(),
  }));
  await scanTellings(
    view,
    params,
    (told, dims) => {
      // A lead counts once in each row that it is in.
      const leads = new Set<Counts>();
      const readers = new Set<Counts>();
      for (const telling of told) {
        for (const counts of [groups.total, groups.of(dims, telling.atMs)]) {
          if (counts === null) continue;
          add(counts, telling);
          (telling.what === 'topic' ? readers : leads).add(counts);
        }
      }
      for (const counts of leads) counts.leads += 1;
      for (const counts of readers) counts.readers += 1;
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

function figures({ challenges, leads, readers, topics }: Counts, params: ReportParams): ChallengesFigures {
  const link = drillLinks(params);
  const share = (numerator: number, figure: string, denominator: number, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  return {
    leads: { count: leads, drill: link('leads') },
    challenges: mostFirst(new Map([...challenges].map(([code, of]) => [code, of.leads]))).map(([code]) => {
      const of = challenges.get(code as string) as OfChallenge;
      const told = `leads.${code}`;
      return {
        challengeCode: code as string,
        leads: share(of.leads, told, leads, 'leads'),
        interested: share(of.interested, `interested.${code}`, of.leads, told),
        sql: share(of.sql, `sql.${code}`, of.leads, told),
        won: share(of.won, `won.${code}`, of.leads, told),
        addressed: share(of.addressed, `addressed.${code}`, of.proposed, `proposed.${code}`),
        leftOut: { count: of.leftOut, drill: link(`leftOut.${code}`) },
      };
    }),
    topics: mostFirst(topics).map(([code, count]) => ({
      topicCode: code as string,
      leads: share(count, `topics.${code}`, readers, 'topics'),
    })),
  };
}

/** Figures: `leads`, `topics`, each also with `.<code>`; `interested`, `sql`, `won`, `proposed`, `addressed`, `leftOut` with `.<code>`. */
export async function challengesLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, name = '', code] =
    /^(leads|topics|(?:interested|sql|won|proposed|addressed|leftOut)(?=\.))(?:\.(.+))?$/s.exec(figure) ?? [];
  if (name === '') return null;
  const counts = (telling: Telling): boolean =>
    (telling.what === 'topic') === (name === 'topics') &&
    (code === undefined || telling.code === code) &&
    (telling.what === 'topic' || name === 'leads' || telling[name as keyof OfChallenge as 'won']);
  const leads: string[] = [];
  await scanTellings(view, params, (told, _, leadId) => {
    if (told.some(counts)) leads.push(leadId);
  });
  return leads;
}
