import type { ClockType } from '#libs/lead/src/events.js';
import { dimensionFilter } from './grouping.js';
import { leadListItem, type LeadListItem } from './lead-list.js';
import { CLOCK_TYPE_NAMES, type LeadRow } from './lead-row.js';
import { Page, type Place } from './paging.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { orNull, parseFact } from './fact-row.js';
import { leadOfKey, readRows } from './scan.js';
import type { ReadView } from './store/read-store.js';
import { ofPart, QUEUE_TABLE, WORK_KINDS, type WorkKind } from './work.js';

/** `/v1/queues/…`: what there is to do, by the instant at which it is due (spec §8.1, §8.2), or the best score first. */
export const queueParams: ParamSpec = {
  report: 'queue',
  paged: true,
  liveOnly: true,
  choices: { due: ['all', 'overdue'], order: ['due', 'score'] },
  filters: { kind: WORK_KINDS },
};

/** Whose queue. A team's holds what its people have, and what nobody has yet. */
export type QueueOf = { readonly ownerId: string } | { readonly teamId: string };

export interface WorkItem {
  readonly leadId: string;
  readonly kind: WorkKind;
  /** Of a promise: which. */
  readonly clockType: ClockType | null;
  readonly dueAt: string;
  readonly overdue: boolean;
  readonly since: string;
  /** Highest level raised: 1 warning, 2 breach, 3… escalations. */
  readonly level: number;
  readonly teamId: string | null;
  readonly ownerId: string | null;
  readonly lead: LeadListItem;
}

interface Found extends Place {
  readonly dueMs: number;
  readonly kind: WorkKind;
  readonly sinceMs: number;
  readonly level: number;
  readonly clockType: ClockType | null;
  readonly team: string | null;
  readonly owner: string | null;
}

/** Sorts after every score. */
const NEVER_SCORED = -1e15;

/** The earliest due first; by score the best first. */
export async function queue(view: ReadView, params: ReportParams, of: QueueOf) {
  const work = new Map<string, Found>();
  // An item that goes to somebody else meanwhile is met in both places, and told once.
  await scanWork(view, params, of, (one) => work.set(one.key, one));
  const page = new Page<Found>(params, params.choices.order === 'score' ? 'descending' : 'ascending');
  for (const one of work.values()) page.add(one);
  const { nextCursor, page: found } = page.end();
  const leads = new Map(
    (await readRows(view, [...new Set(found.map(({ key }) => leadOfKey(key)))])).map((row) => [row.leadId, row]),
  );
  const items = found.flatMap((one): WorkItem[] => {
    const row = leads.get(leadOfKey(one.key));
    return row === undefined ? [] : [itemOf(one, row, params.asOfMs)];
  });
  return { items, nextCursor };
}

const iso = (ms: number): string => new Date(ms).toISOString();

const itemOf = ({ clockType, dueMs, kind, level, owner, sinceMs, team }: Found, row: LeadRow, asOfMs: number) => ({
  leadId: row.leadId,
  kind,
  clockType,
  dueAt: iso(dueMs),
  overdue: dueMs < asOfMs,
  since: iso(sinceMs),
  level,
  teamId: team,
  ownerId: owner,
  lead: leadListItem(row),
});

async function scanWork(view: ReadView, params: ReportParams, of: QueueOf, use: (found: Found) => void): Promise<void> {
  const passes = dimensionFilter(params);
  const { kind: kinds } = params.filter;
  const { due, order } = params.choices;
  for (const part of await view.partitions(QUEUE_TABLE)) {
    const [team, owner] = ofPart(part);
    if ('ownerId' in of ? owner !== of.ownerId : team !== of.teamId) continue;
    for (const [key, value] of await view.rows(QUEUE_TABLE, part)) {
      const { dims, numbers } = parseFact(value, key);
      const [kindNo, dueMs, sinceMs, level, clockNo, totalMp] = numbers as [
        number,
        number,
        number,
        number,
        ...number[],
      ];
      const kind = WORK_KINDS[kindNo] as WorkKind;
      if (kinds !== undefined && !kinds.includes(kind)) continue;
      if ((due === 'overdue' && dueMs >= params.asOfMs) || !passes(dims)) continue;
      const clock = orNull(clockNo);
      use({
        key,
        atMs: order === 'score' ? (orNull(totalMp) ?? NEVER_SCORED) : dueMs,
        dueMs,
        kind,
        sinceMs,
        level,
        clockType: clock === null ? null : (CLOCK_TYPE_NAMES[clock] as ClockType),
        team,
        owner,
      });
    }
  }
}
