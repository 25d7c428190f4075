import { mayGoStale } from '#libs/lead/src/silence.js';
import { RANK } from '#libs/lead/src/states.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART } from './dimensions.js';
import { DAY_MS, rate } from './figures.js';
import { dimensionFilter, drillLinks, Groups, type RateFigure } from './grouping.js';
import type { LeadRow } from './lead-row.js';
import { notesOf } from './lead-notes.js';
import { KNOWN_FIELDS, type KnownField } from './lead-profile.js';
import { firstEnteredMs } from './merges.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { type FactRow, factValue, orNull } from './fact-row.js';
import { openPart, OPEN_PARTS, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** One fact per lead that is not at rest, by the day it began. */
const QUALITY_TABLE = 'quality';

/** What somebody who works a lead needs, as far as it can be told without opening a seal; goal and challenge from PROSPECT on. */
const FIELDS = [...KNOWN_FIELDS.filter((field) => field !== 'goal'), 'account', 'goal'] as const;
type Field = KnownField | 'account';

/** Numbers: 1 where goal is asked, fields filled as bits, last verified, contacted, bounced, last check's completeness · 10⁴. */
export function qualityFacts(row: LeadRow): Fact[] {
  const last = row.visits.at(-1);
  if (last === undefined || !mayGoStale(last.state)) return [];
  const { account, known } = row.profile;
  let bits = 0;
  FIELDS.forEach((field, index) => {
    if (field === 'account' ? account !== null : known.includes(field)) bits |= 1 << index;
  });
  const asksGoal = row.twoWaySinceMs !== null || RANK[last.state] >= RANK.PROSPECT ? 1 : 0;
  const verified = notesOf(row.notes, 'verified');
  const checked = verified.findLast(({ says }) => says.length > 0)?.says[0];
  const bounced = notesOf(row.notes, 'bounce').length > 0 ? 1 : 0;
  const contacted = bounced === 1 || row.contacts.attempts.length + row.contacts.nurture.length > 0 ? 1 : 0;
  const numbers = [asksGoal, bits, verified.at(-1)?.atMs ?? '', contacted, bounced, checked ?? ''];
  return [
    {
      kind: 'row',
      table: QUALITY_TABLE,
      part: openPart(firstEnteredMs(row)),
      key: row.leadId,
      value: factValue(dimensionText(row, row.team, row.owner), numbers.join(',')),
    },
  ];
}

/**
 * Spec 7.26, of the open leads as they are now: required fields that are filled, leads verified in the last 90 days, leads that a
 * message to them bounced at. Names and job titles are sealed: whether they are filled is told by the leads' own checks
 * (DataQualityChecked), whose mean stands beside.
 */
export const dataQualityParams: ParamSpec = { report: 'data-quality', by: true, liveOnly: true };

const VERIFIED_DAYS = 90;

export interface DataQualityFigures {
  /** Filled fields / required fields. */
  readonly completeness: RateFigure;
  readonly fields: readonly (RateFigure & { readonly field: Field })[];
  /** Verified within 90 days / open leads. */
  readonly verified: RateFigure;
  /** Bounced / contacted. */
  readonly bounced: RateFigure;
  /** Mean completeness of all fields at the latest checks. */
  readonly checked: { readonly leads: number; readonly mean: number | null; readonly drill: string };
}

interface Quality {
  readonly leadId: string;
  readonly dims: Dims;
  readonly asked: readonly Field[];
  readonly filled: ReadonlySet<Field>;
  readonly verified: boolean;
  readonly contacted: boolean;
  readonly bounced: boolean;
  /** Ten-thousandths. */
  readonly checked: number | null;
}

async function scanQuality(
  view: ReadView,
  params: ReportParams,
  use: (quality: Quality) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = dimensionFilter(params);
  const withoutGoal = FIELDS.filter((field) => field !== 'goal');
  const take = ({ dims, key, numbers }: FactRow): void => {
    if (!passes(dims)) return;
    const [asksGoal, bits, verifiedMs, contacted, bounced, checked] = numbers as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const untilMs = verifiedMs + VERIFIED_DAYS * DAY_MS;
    if (!Number.isNaN(untilMs)) groups?.asOf.sees(untilMs + 1);
    use({
      leadId: key,
      dims,
      asked: asksGoal === 1 ? FIELDS : withoutGoal,
      filled: new Set(FIELDS.filter((_, index) => (bits & (1 << index)) !== 0)),
      verified: untilMs >= params.asOfMs,
      contacted: contacted === 1,
      bounced: bounced === 1,
      checked: orNull(checked),
    });
  };
  await scanFacts(view, QUALITY_TABLE, OPEN_PARTS, LAST_PART, take, { params, groups });
}

class Counts {
  leads = 0;
  verified = 0;
  contacted = 0;
  bounced = 0;
  checked = 0;
  checkedSum = 0;
  readonly asked = new Map<Field, number>();
  readonly filled = new Map<Field, number>();

  add(quality: Quality): void {
    this.leads += 1;
    if (quality.verified) this.verified += 1;
    if (quality.contacted) this.contacted += 1;
    if (quality.bounced) this.bounced += 1;
    if (quality.checked !== null) {
      this.checked += 1;
      this.checkedSum += quality.checked;
    }
    for (const field of quality.asked) {
      this.asked.set(field, (this.asked.get(field) ?? 0) + 1);
      if (quality.filled.has(field)) this.filled.set(field, (this.filled.get(field) ?? 0) + 1);
    }
  }
}

export async function dataQualityReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Counts>(params, () => new Counts());
  await scanQuality(
    view,
    params,
    (quality) => {
      groups.total.add(quality);
      groups.of(quality.dims, 0)?.add(quality);
    },
    groups,
  );
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params) })),
    total: figures(groups.total, params),
  };
}

const PARTS = 10_000;

function figures(counts: Counts, params: ReportParams): DataQualityFigures {
  // There is no other present to ask for.
  const links = drillLinks(params);
  const link = (figure: string): string => links(figure).replace(/asOf=[^&]*&/, '');
  const share = (numerator: number, denominator: number, figure: string, of: string): RateFigure => ({
    numerator,
    denominator,
    rate: rate(numerator, denominator),
    drill: link(figure),
    drillDenominator: link(of),
  });
  const sum = (values: ReadonlyMap<Field, number>): number => [...values.values()].reduce((all, n) => all + n, 0);
  return {
    completeness: share(sum(counts.filled), sum(counts.asked), 'complete', 'leads'),
    fields: FIELDS.map((field) => ({
      field,
      ...share(counts.filled.get(field) ?? 0, counts.asked.get(field) ?? 0, `filled.${field}`, `asked.${field}`),
    })),
    verified: share(counts.verified, counts.leads, 'verified', 'leads'),
    bounced: share(counts.bounced, counts.contacted, 'bounced', 'contacted'),
    checked: {
      leads: counts.checked,
      mean: rate(counts.checkedSum, counts.checked * PARTS),
      drill: link('checked'),
    },
  };
}

const FIGURES: Readonly<Record<string, (quality: Quality) => boolean>> = {
  leads: () => true,
  complete: ({ asked, filled }) => asked.every((field) => filled.has(field)),
  verified: ({ verified }) => verified,
  bounced: ({ bounced }) => bounced,
  contacted: ({ contacted }) => contacted,
  checked: ({ checked }) => checked !== null,
};

/** Figures: `leads`, `complete` (nothing missing), `verified`, `bounced`, `contacted`, `checked`; `filled` and `asked` with `.<field>`. */
export async function dataQualityLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [, what, field] = /^(filled|asked)\.(\w+)$/.exec(figure) ?? [];
  const hit = Object.hasOwn(FIGURES, figure) ? FIGURES[figure] : undefined;
  if (hit === undefined && !(FIELDS as readonly string[]).includes(field ?? '')) return null;
  const leads: string[] = [];
  await scanQuality(view, params, (quality) => {
    const asked = quality.asked.includes(field as Field);
    const counts = hit?.(quality) ?? (asked && (what === 'asked' || quality.filled.has(field as Field)));
    if (counts) leads.push(quality.leadId);
  });
  return leads;
}
