import { LEAD_STATES, type LeadStateName } from '#libs/lead/src/states.js';
import { valueOf } from './dimensions.js';
import { DAY_MS, quotient, rate } from './figures.js';
import { type CountFigure, drillLinks, Groups, type RateFigure } from './grouping.js';
import { closedMsOf, type LeadRow, type Visit } from './lead-row.js';
import { Page, type Place } from './paging.js';
import { type Pulse, scanPulses } from './pulse.js';
import type { ParamSpec, ReportContext, ReportParams } from './report-params.js';
import { readRows } from './scan.js';
import { StagePolicies } from './stage-policies.js';
import type { ReadView } from './store/read-store.js';

/**
 * Spec 7.19: of the leads open at asOf, those that nothing has been done about for longer than their state's or deal stage's
 * limit (strictly), and that are not on hold. Time on an ended hold, and the quiet that the lead itself asked for, is no
 * silence (spec §6.4). Limits are those of the pipeline in force at asOf.
 */
export const staleParams: ParamSpec = {
  report: 'stale',
  by: true,
  paged: true,
  filters: { state: LEAD_STATES },
};

export interface StaleFigures {
  /** Stale / open. */
  readonly stale: RateFigure;
  /** Open leads whose work is paused: never stale. */
  readonly onHold: CountFigure;
  /** In the order of the lifecycle and of the pipeline; where nobody stands is not listed. */
  readonly stages: readonly {
    readonly state: LeadStateName;
    /** In OPPORTUNITY. */
    readonly dealStage: string | null;
    readonly stale: RateFigure;
  }[];
}

export interface StaleItem {
  readonly leadId: string;
  readonly state: LeadStateName;
  readonly dealStage: string | null;
  readonly lastActivityAt: string;
  /** Silence in days, pauses left out. */
  readonly ageDays: number;
  readonly limitDays: number;
  readonly teamId: string | null;
  readonly ownerId: string | null;
  /** The deal that was open then, with its present amount. */
  readonly deal: {
    readonly dealId: string;
    readonly amountMinor: number | null;
    readonly currency: string | null;
  } | null;
}

interface Judged {
  readonly pulse: Pulse;
  readonly stage: string;
  readonly ageMs: number;
  readonly limitMs: number | null;
  readonly isStale: boolean;
}

const stageOf = ({ dealStage, state }: Pulse): string => (dealStage === null ? state : `${state}.${dealStage}`);

async function scanJudged(
  view: ReadView,
  params: ReportParams,
  stages: StagePolicies,
  use: (lead: Judged) => void,
): Promise<void> {
  const states = params.filter.state;
  await scanPulses(view, params, (pulse) => {
    if (states !== undefined && !states.includes(pulse.state)) return;
    const limitMs = stages.limitMs(valueOf(pulse.dims, 'leadType'), pulse.state, pulse.dealStage);
    const ageMs = params.asOfMs - pulse.silentFromMs;
    const isStale = !pulse.onHold && limitMs !== null && ageMs > limitMs;
    use({ pulse, stage: stageOf(pulse), ageMs, limitMs, isStale });
  });
}

interface Counts {
  open: number;
  stale: number;
  onHold: number;
  readonly stages: Map<string, { open: number; stale: number }>;
}

export async function staleReport(view: ReadView, params: ReportParams, { policies }: ReportContext) {
  const stages = new StagePolicies(policies, params.asOfMs);
  const groups = new Groups<Counts>(params, () => ({ open: 0, stale: 0, onHold: 0, stages: new Map() }));
  const page = new Page<Place & { readonly lead: Judged }>(params, 'ascending');
  await scanJudged(view, params, stages, (lead) => {
    for (const counts of [groups.total, groups.of(lead.pulse.dims, 0)]) {
      if (counts === null) continue;
      let stage = counts.stages.get(lead.stage);
      if (stage === undefined) counts.stages.set(lead.stage, (stage = { open: 0, stale: 0 }));
      counts.open += 1;
      stage.open += 1;
      if (lead.isStale) {
        counts.stale += 1;
        stage.stale += 1;
      }
      if (lead.pulse.onHold) counts.onHold += 1;
    }
    if (lead.isStale) page.add({ atMs: lead.pulse.lastActivityMs, key: lead.pulse.leadId, lead });
  });
  const { page: listed, nextCursor } = page.end();
  const rows = new Map(
    (
      await readRows(
        view,
        listed.map(({ key }) => key),
      )
    ).map((row) => [row.leadId, row]),
  );
  const order = stages.inOrder([...groups.total.stages.keys()].map((name) => name.slice(name.indexOf('.') + 1)));
  return {
    rows: groups.rows().map((row) => ({ dimensions: row.dimensions, ...figures(row.figures, row.params, order) })),
    total: figures(groups.total, params, order),
    /** The longest silent first. */
    items: listed.map(({ key, lead }) => item(lead, rows.get(key), params.asOfMs)),
    nextCursor,
  };
}

function item({ ageMs, limitMs, pulse }: Judged, row: LeadRow | undefined, asOfMs: number): StaleItem {
  const deal = row?.deals.findLast(
    (one) => (row.visits[one.openedIn] as Visit).enteredMs <= asOfMs && (closedMsOf(row, one) ?? Infinity) > asOfMs,
  );
  return {
    leadId: pulse.leadId,
    state: pulse.state,
    dealStage: pulse.dealStage,
    lastActivityAt: new Date(pulse.lastActivityMs).toISOString(),
    ageDays: quotient(ageMs, DAY_MS, 4) as number,
    limitDays: quotient(limitMs as number, DAY_MS, 4) as number,
    teamId: valueOf(pulse.dims, 'team'),
    ownerId: valueOf(pulse.dims, 'owner'),
    deal:
      deal === undefined
        ? null
        : {
            dealId: deal.dealId,
            amountMinor: deal.amount?.amountMinor ?? null,
            currency: deal.amount?.currency ?? null,
          },
  };
}

function figures(counts: Counts, params: ReportParams, order: readonly string[]): StaleFigures {
  // The page is the list's, not the figure's.
  const link = drillLinks(params);
  const share = ({ open, stale }: { open: number; stale: number }, suffix: string): RateFigure => ({
    numerator: stale,
    denominator: open,
    rate: rate(stale, open),
    drill: link(`stale${suffix}`),
    drillDenominator: link(`open${suffix}`),
  });
  const names = LEAD_STATES.flatMap((state) => [state as string, ...order.map((stage) => `${state}.${stage}`)]);
  return {
    stale: share(counts, ''),
    onHold: { count: counts.onHold, drill: link('onHold') },
    stages: names.flatMap((name) => {
      const count = counts.stages.get(name);
      if (count === undefined) return [];
      const dot = name.indexOf('.');
      return {
        state: (dot < 0 ? name : name.slice(0, dot)) as LeadStateName,
        dealStage: dot < 0 ? null : name.slice(dot + 1),
        stale: share(count, `.${name}`),
      };
    }),
  };
}

/** Figures: `stale`, `open`, each also with `.<state>` or `.OPPORTUNITY.<deal stage>`; `onHold`. */
export async function staleLeads(
  view: ReadView,
  params: ReportParams,
  figure: string,
  { policies }: ReportContext,
): Promise<string[] | null> {
  const [, name, stage] = /^(stale|open|onHold)(?:\.(.+))?$/.exec(figure) ?? [];
  if (name === undefined) return null;
  const leads: string[] = [];
  await scanJudged(view, params, new StagePolicies(policies, params.asOfMs), (lead) => {
    const hit = name === 'open' || (name === 'stale' ? lead.isStale : lead.pulse.onHold);
    if (hit && (stage === undefined || lead.stage === stage)) leads.push(lead.pulse.leadId);
  });
  return leads;
}
