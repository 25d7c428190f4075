import type { ClockType } from '#libs/lead/src/events.js';
import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, type Dims, LAST_PART, utcDay } from './dimensions.js';
import { rate, type Spread } from './figures.js';
import { type CountFigure, dimensionFilter, drillLinks, Groups, inPeriod, type RateFigure } from './grouping.js';
import { type Clock, CLOCK_STATUSES, CLOCK_TYPE_NAMES, type ClockStatus, type LeadRow, nextDueMs } from './lead-row.js';
import { Page, type Place } from './paging.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue, type FactRow, orNull } from './fact-row.js';
import { leadOfKey, readRows, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';
import { Values } from './values.js';

/**
 * One fact per clock that counts or may still count, by the UTC day of its final due instant, or in the partition `open`
 * while it runs, pauses or is breached and not stopped. A clock cancelled before any breach leaves none (spec 7.6).
 */
const CLOCK_TABLE = 'clock';
const OPEN_PART = 'open';

/** The sweeper's set: leads by the next instant (epoch ms) at which settling them would record something (spec §6.6.2). */
export const DUE_SET = 'sla-due';

const isOpen = (status: ClockStatus): boolean => status !== 'stopped' && status !== 'cancelled';

/** Numbers: type, status, due, breach (0 none, 1 standing, 2 retracted), then of a stop: when, open s, wall s. */
export function clockFacts(row: LeadRow): Fact[] {
  const facts: Fact[] = [];
  let next: number | null = null;
  row.clocks.forEach((clock, index) => {
    const due = nextDueMs(clock);
    if (due !== null && (next === null || due < next)) next = due;
    if (clock.status === 'cancelled' && clock.breach === null) return;
    const { stop } = clock;
    const breach = clock.breach === null ? 0 : clock.retraction === null ? 1 : 2;
    const stopped = stop === null ? '' : `,${stop.atMs},${stop.openS},${stop.wallS}`;
    facts.push({
      kind: 'row',
      table: CLOCK_TABLE,
      part: isOpen(clock.status) ? OPEN_PART : utcDay(clock.dueMs),
      key: `${row.leadId}/${index}`,
      value: factValue(
        dimensionText(row, clock.team, clock.owner, clock.startedMs),
        `${CLOCK_TYPE_NAMES.indexOf(clock.type)},${CLOCK_STATUSES.indexOf(clock.status)},${clock.dueMs},${breach}${stopped}`,
      ),
    });
  });
  if (next !== null) facts.push({ kind: 'score', set: DUE_SET, member: row.leadId, score: next });
  return facts;
}

/** Spec 7.6 and 7.7 over the clocks whose final dueAt lies in the period, settled or due by asOf. */
export const slaParams: ParamSpec = {
  report: 'sla',
  period: true,
  by: true,
  groupBy: true,
  filters: { clockType: CLOCK_TYPE_NAMES },
};

/** Hours. */
type HoursFigure = Spread & { readonly drill: string };

export interface ClockTypeFigures {
  readonly clockType: ClockType;
  readonly met: CountFigure;
  /** Breaches that stand, also of clocks due and not yet settled. */
  readonly standing: CountFigure;
  readonly retracted: CountFigure;
  /** standing + retracted: every promise that was broken at some time. */
  readonly breached: CountFigure;
  /** met / (met + standing). */
  readonly attainment: RateFigure;
  /** Of the clocks that were stopped: hours open by their calendar, and elapsed. */
  readonly responseOpen: HoursFigure;
  readonly responseWall: HoursFigure;
}

interface ClockFact {
  readonly leadId: string;
  readonly key: string;
  readonly dims: Dims;
  readonly type: ClockType;
  readonly status: ClockStatus;
  readonly dueMs: number;
  readonly breach: 'none' | 'standing' | 'retracted';
  readonly stoppedMs: number | null;
  readonly openS: number;
  readonly wallS: number;
}

const BREACHES = ['none', 'standing', 'retracted'] as const;

function decode({ dims, key, numbers }: FactRow): ClockFact {
  const [type, status, dueMs, breach, stoppedMs, openS, wallS] = numbers;
  return {
    leadId: leadOfKey(key),
    key,
    dims,
    type: CLOCK_TYPE_NAMES[type as number] as ClockType,
    status: CLOCK_STATUSES[status as number] as ClockStatus,
    dueMs: dueMs as number,
    breach: BREACHES[breach as number] as ClockFact['breach'],
    stoppedMs: orNull(stoppedMs),
    openS: openS ?? 0,
    wallS: wallS ?? 0,
  };
}

type Outcome = 'met' | 'standing' | null;

/**
 * What counts at asOf (spec 7.6). A running clock past its due instant is a broken promise whether or not a sweeper has
 * seen it; a paused one is not due; one cancelled after a breach that stands stays in.
 */
function outcomeAt(clock: ClockFact, asOfMs: number): Outcome {
  if (clock.stoppedMs !== null && clock.stoppedMs <= asOfMs) return clock.breach === 'standing' ? 'standing' : 'met';
  if (clock.status === 'paused' || clock.dueMs > asOfMs || clock.breach === 'retracted') return null;
  return clock.status === 'running' || clock.breach === 'standing' ? 'standing' : null;
}

function clockFilter(params: ReportParams): (clock: ClockFact) => boolean {
  const passes = dimensionFilter(params);
  const types = params.filter.clockType;
  return (clock) => passes(clock.dims) && (types === undefined || types.includes(clock.type));
}

async function scanClocks(
  view: ReadView,
  params: ReportParams,
  use: (clock: ClockFact) => void,
  groups?: Groups<unknown>,
): Promise<void> {
  const passes = clockFilter(params);
  // One call up to `open` and no two: a clock that settles in between would be counted twice or not at all.
  const fromPart = params.fromMs === null ? '' : utcDay(params.fromMs);
  await scanFacts(
    view,
    CLOCK_TABLE,
    fromPart,
    OPEN_PART,
    (fact) => {
      const clock = decode(fact);
      if (!inPeriod(params, clock.dueMs) || !passes(clock)) return;
      groups?.asOf.sees(clock.dueMs);
      if (clock.stoppedMs !== null) groups?.asOf.sees(clock.stoppedMs);
      use(clock);
    },
    { params, groups },
  );
}

class Counts {
  met = 0;
  standing = 0;
  retracted = 0;
  readonly openS = new Values();
  readonly wallS = new Values();
}

/** Whether the clock's breach, retracted since, had fallen due by asOf. */
const wasRetracted = (clock: ClockFact, asOfMs: number): boolean =>
  clock.breach === 'retracted' && clock.dueMs <= asOfMs;
const wasStopped = (clock: ClockFact, asOfMs: number): boolean => clock.stoppedMs !== null && clock.stoppedMs <= asOfMs;

export async function slaReport(view: ReadView, params: ReportParams) {
  const groups = new Groups<Map<ClockType, Counts>>(params, () => new Map());
  await scanClocks(
    view,
    params,
    (clock) => {
      const outcome = outcomeAt(clock, params.asOfMs);
      const retracted = wasRetracted(clock, params.asOfMs);
      if (outcome === null && !retracted) return;
      for (const byType of [groups.total, groups.of(clock.dims, clock.dueMs)]) {
        if (byType === null) continue;
        let counts = byType.get(clock.type);
        if (counts === undefined) byType.set(clock.type, (counts = new Counts()));
        if (outcome === 'met') counts.met += 1;
        if (outcome === 'standing') counts.standing += 1;
        if (retracted) counts.retracted += 1;
        if (wasStopped(clock, params.asOfMs)) {
          counts.openS.push(clock.openS);
          counts.wallS.push(clock.wallS);
        }
      }
    },
    groups,
  );
  return {
    unit: 'hours',
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, clocks: figures(row.figures, row.params) })),
    total: { clocks: figures(groups.total, params) },
  };
}

const HOUR_S = 3600;

/** In the order of spec §6.1; types without a clock in the period are not listed. */
function figures(byType: ReadonlyMap<ClockType, Counts>, params: ReportParams): ClockTypeFigures[] {
  const link = drillLinks(params);
  return CLOCK_TYPE_NAMES.filter((type) => byType.has(type)).map((clockType) => {
    const { met, standing, retracted, openS, wallS } = byType.get(clockType) as Counts;
    const at = (name: string): string => link(`${clockType}.${name}`);
    const count = (value: number, name: string): CountFigure => ({ count: value, drill: at(name) });
    return {
      clockType,
      met: count(met, 'met'),
      standing: count(standing, 'standing'),
      retracted: count(retracted, 'retracted'),
      breached: count(standing + retracted, 'breached'),
      attainment: {
        numerator: met,
        denominator: met + standing,
        rate: rate(met, met + standing),
        drill: at('met'),
        drillDenominator: at('counted'),
      },
      responseOpen: { ...openS.spread(HOUR_S), drill: at('stopped') },
      responseWall: { ...wallS.spread(HOUR_S), drill: at('stopped') },
    };
  });
}

const FIGURES: Readonly<Record<string, (clock: ClockFact, asOfMs: number) => boolean>> = {
  met: (clock, asOfMs) => outcomeAt(clock, asOfMs) === 'met',
  standing: (clock, asOfMs) => outcomeAt(clock, asOfMs) === 'standing',
  retracted: wasRetracted,
  breached: (clock, asOfMs) => outcomeAt(clock, asOfMs) === 'standing' || wasRetracted(clock, asOfMs),
  counted: (clock, asOfMs) => outcomeAt(clock, asOfMs) !== null,
  stopped: wasStopped,
};

/** Figures: `<clockType>.` and `met`, `standing`, `retracted`, `breached`, `counted`, `stopped`. */
export async function slaLeads(view: ReadView, params: ReportParams, figure: string): Promise<string[] | null> {
  const [type = '', name = ''] = figure.split('.');
  const hit = Object.hasOwn(FIGURES, name) ? FIGURES[name] : undefined;
  if (hit === undefined || !(CLOCK_TYPE_NAMES as readonly string[]).includes(type)) return null;
  const leads = new Set<string>();
  await scanClocks(view, params, (clock) => {
    if (clock.type === type && hit(clock, params.asOfMs)) leads.add(clock.leadId);
  });
  return [...leads];
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** `/v1/sla/clocks`: what runs, pauses or is breached and not stopped, by due instant. */
export const runningClocksParams: ParamSpec = {
  report: 'clocks',
  paged: true,
  liveOnly: true,
  filters: { clockType: CLOCK_TYPE_NAMES, status: ['running', 'paused', 'breached'] },
};

export interface RunningClock {
  readonly leadId: string;
  readonly clockId: string;
  readonly clockType: ClockType;
  readonly status: ClockStatus;
  readonly startedAt: string;
  /** As of its last resume; says nothing while paused. */
  readonly dueAt: string;
  readonly warnAt: string | null;
  /** When something is raised next, if nothing happens. */
  readonly nextDueAt: string | null;
  readonly overdue: boolean;
  /** Highest level raised: 1 warning, 2 breach, 3… escalations. */
  readonly level: number;
  readonly ownerId: string | null;
  readonly teamId: string | null;
}

export async function runningClocks(view: ReadView, params: ReportParams) {
  const passes = clockFilter(params);
  const statuses = params.filter.status;
  const open = new Page<ClockFact & Place>(params, 'ascending');
  await scanFacts(view, CLOCK_TABLE, OPEN_PART, LAST_PART, (fact) => {
    const clock = decode(fact);
    if (passes(clock) && (statuses === undefined || statuses.includes(clock.status)))
      open.add({ ...clock, atMs: clock.dueMs });
  });
  const { page, nextCursor } = open.end();
  const items = await detailed(view, page, (row, clock) => ({
    leadId: row.leadId,
    clockId: clock.clockId,
    clockType: clock.type,
    status: clock.status,
    startedAt: iso(clock.startedMs),
    dueAt: iso(clock.dueMs),
    warnAt: iso(clock.warnMs),
    nextDueAt: iso(nextDueMs(clock)),
    overdue: clock.status !== 'paused' && clock.dueMs <= params.asOfMs,
    level: clock.level,
    ownerId: clock.owner,
    teamId: clock.team,
  }));
  return { items: items as RunningClock[], nextCursor };
}

/** Level of the first escalation: 1 is the warning, 2 the breach (spec §6.5). */
const ESCALATED = 3;

/** Broken promises that were escalated and that nobody has made good yet. */
export async function escalatedClocks(
  view: ReadView,
): Promise<{ readonly leadId: string; readonly clockType: ClockType }[]> {
  const broken: ClockFact[] = [];
  await scanFacts(view, CLOCK_TABLE, OPEN_PART, LAST_PART, (fact) => {
    const clock = decode(fact);
    if (clock.status === 'breached' && clock.breach === 'standing') broken.push(clock);
  });
  const escalated = await detailed(view, broken, ({ leadId }, { level, type }) =>
    level >= ESCALATED ? { leadId, clockType: type } : null,
  );
  return escalated.filter((clock) => clock !== null);
}

/** `/v1/sla/breaches`: every breach whose due instant lies in the period, the latest first. */
export const breachesParams: ParamSpec = {
  report: 'breaches',
  period: true,
  paged: true,
  choices: { show: ['all', 'standing', 'retracted'] },
  filters: { clockType: CLOCK_TYPE_NAMES },
};

export interface Breach {
  readonly leadId: string;
  readonly clockId: string;
  readonly clockType: ClockType;
  readonly status: ClockStatus;
  /** occurredAt of the breach. */
  readonly dueAt: string;
  readonly detectedBy: string;
  readonly detectionLagS: number;
  readonly standing: boolean;
  readonly retraction: { readonly at: string; readonly reason: string; readonly approvedBy: string | null } | null;
  readonly stoppedAt: string | null;
  readonly outcome: string | null;
  readonly overdueWallS: number | null;
  readonly level: number;
  /** Responsible at the breach. */
  readonly ownerId: string | null;
  readonly teamId: string | null;
}

export async function breaches(view: ReadView, params: ReportParams) {
  const found = new Page<ClockFact & Place>(params, 'descending');
  const { show } = params.choices;
  await scanClocks(view, params, (clock) => {
    if (clock.breach === 'none' || clock.dueMs > params.asOfMs) return;
    if (show === 'all' || show === clock.breach) found.add({ ...clock, atMs: clock.dueMs });
  });
  const { page, nextCursor } = found.end();
  const items = await detailed(view, page, (row, clock) => ({
    leadId: row.leadId,
    clockId: clock.clockId,
    clockType: clock.type,
    status: clock.status,
    dueAt: iso(clock.dueMs),
    detectedBy: clock.breach?.detectedBy,
    detectionLagS: clock.breach?.lagS,
    standing: clock.retraction === null,
    retraction:
      clock.retraction === null
        ? null
        : {
            at: iso(clock.retraction.atMs),
            reason: clock.retraction.reason,
            approvedBy: clock.retraction.approvedBy,
          },
    stoppedAt: iso(clock.stop?.atMs ?? null),
    outcome: clock.stop?.outcome ?? null,
    overdueWallS: clock.stop?.overdueS ?? null,
    level: clock.level,
    ownerId: clock.owner,
    teamId: clock.team,
  }));
  return { items: items as Breach[], nextCursor };
}

/** What the facts leave out, from the leads' rows. */
async function detailed<T>(
  view: ReadView,
  page: readonly ClockFact[],
  use: (row: LeadRow, clock: Clock) => T,
): Promise<T[]> {
  const rows = new Map(
    (await readRows(view, [...new Set(page.map(({ leadId }) => leadId))])).map((row) => [row.leadId, row]),
  );
  return page.flatMap(({ key, leadId }) => {
    const row = rows.get(leadId);
    const clock = row?.clocks[Number(key.slice(leadId.length + 1))];
    return row === undefined || clock === undefined ? [] : [use(row, clock)];
  });
}
