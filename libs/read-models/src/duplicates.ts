import type { Fact } from '#libs/projections/src/projection.js';
import { dimensionText, LAST_PART } from './dimensions.js';
import { dimensionFilter } from './grouping.js';
import { type LeadListItem, leadListItem } from './lead-list.js';
import type { LeadRow } from './lead-row.js';
import { Page, type Place } from './paging.js';
import type { ParamSpec, ReportParams } from './report-params.js';
import { factValue } from './fact-row.js';
import { leadOfKey, readRows, scanFacts } from './scan.js';
import type { ReadView } from './store/read-store.js';

/** Open suspicions; both leads' present state is looked up when they are listed. */
const SUSPECT_TABLE = 'suspect';
const SUSPECT_PART = 'open';
/** Merges by when they last moved here, members `<survivor>/<merge id>`: where to look for one that stopped (spec §9.6). */
export const MERGE_SET = 'merges';

/** Of a lead with a life of its own: its open suspicions. Numbers: since when, score in thousandths; then candidate and basis. */
export function suspectFacts(row: LeadRow): Fact[] {
  const gone = new Set(row.merges.survived.flatMap((one) => (one.reverted ? [] : [one.duplicateLeadId])));
  return row.merges.suspects.flatMap((one, index): Fact[] => {
    if (one.dismissed || gone.has(one.candidateLeadId)) return [];
    const numbers = `${one.suspectedMs},${Math.round(one.score * 1000)}`;
    return [
      {
        kind: 'row',
        table: SUSPECT_TABLE,
        part: SUSPECT_PART,
        key: `${row.leadId}/${index}`,
        value: factValue(dimensionText(row, row.team, row.owner), numbers, [one.candidateLeadId, one.basis]),
      },
    ];
  });
}

export const mergeFacts = (row: LeadRow): Fact[] =>
  row.merges.survived.map(({ mergeId, recordedMs }) => ({
    kind: 'score',
    set: MERGE_SET,
    member: `${row.leadId}/${mergeId}`,
    score: recordedMs,
  }));

/** `/v1/duplicates`, the merge desk: pairs held for one person that nobody has merged or told apart, the newest first. */
export const duplicatesParams: ParamSpec = {
  report: 'duplicates',
  paged: true,
  liveOnly: true,
  filters: { lead: null },
};

export interface SuspectedPair {
  readonly leadId: string;
  readonly candidateLeadId: string;
  /** 0 to 1: how sure what they share makes that they are one person. */
  readonly score: number;
  /** `same_email`, `same_phone`, `same_external`. */
  readonly basis: readonly string[];
  readonly suspectedAt: string;
  readonly lead: LeadListItem;
  readonly candidate: LeadListItem;
}

interface Pair extends Place {
  readonly leadId: string;
  readonly candidateLeadId: string;
  readonly score: number;
  readonly basis: readonly string[];
}

export async function duplicates(view: ReadView, params: ReportParams) {
  const passes = dimensionFilter(params);
  const suspicions: Pair[] = [];
  await scanFacts(view, SUSPECT_TABLE, '', LAST_PART, ({ dims, key, numbers, rest }) => {
    if (!passes(dims)) return;
    const [atMs, score] = numbers as [number, number];
    const [candidateLeadId, basis] = rest as [string, string[]];
    suspicions.push({ atMs, key, leadId: leadOfKey(key), candidateLeadId, score: score / 1000, basis });
  });
  const rows = await rowsOf(view, suspicions);
  const pairs = new Map<string, Pair>();
  for (const suspicion of suspicions) {
    const candidateLeadId = standingFor(suspicion.candidateLeadId, rows);
    const lead = rows.get(suspicion.leadId);
    if (candidateLeadId === null || lead === undefined || candidateLeadId === suspicion.leadId) continue;
    const toldApart = lead.merges.suspects.some((one) => one.dismissed && one.candidateLeadId === candidateLeadId);
    if (toldApart || !asked(params, suspicion.leadId, candidateLeadId)) continue;
    const key = [suspicion.leadId, candidateLeadId].sort().join(' ');
    const known = pairs.get(key);
    const newest = known === undefined || suspicion.atMs > known.atMs ? { ...suspicion, candidateLeadId, key } : known;
    pairs.set(key, {
      ...newest,
      score: Math.max(suspicion.score, known?.score ?? 0),
      basis: [...new Set([...(known?.basis ?? []), ...suspicion.basis])],
    });
  }
  const found = new Page<Pair>(params, 'descending');
  for (const pair of pairs.values()) found.add(pair);
  const { page, nextCursor } = found.end();
  const items = page.map((pair): SuspectedPair => {
    const { atMs, basis, candidateLeadId, leadId, score } = pair;
    return {
      leadId,
      candidateLeadId,
      score,
      basis,
      suspectedAt: new Date(atMs).toISOString(),
      lead: leadListItem(rows.get(leadId) as LeadRow),
      candidate: leadListItem(rows.get(candidateLeadId) as LeadRow),
    };
  });
  return { count: pairs.size, items, nextCursor };
}

const asked = ({ filter }: ReportParams, ...leadIds: string[]): boolean =>
  filter.lead === undefined || leadIds.some((leadId) => filter.lead?.includes(leadId));

/** Both leads of every pair, and the survivors of those merged away. */
async function rowsOf(view: ReadView, pairs: readonly Pair[]): Promise<Map<string, LeadRow>> {
  const rows = new Map<string, LeadRow>();
  let wanted = [...new Set(pairs.flatMap(({ candidateLeadId, leadId }) => [leadId, candidateLeadId]))];
  while (wanted.length > 0) {
    const found = await readRows(view, wanted);
    for (const row of found) rows.set(row.leadId, row);
    const survivors = found.flatMap(({ merges }) => merges.mergedInto?.survivorLeadId ?? []);
    wanted = [...new Set(survivors)].filter((leadId) => !rows.has(leadId));
  }
  return rows;
}

/** The lead itself, or who survived it; null when the view has not met it. */
function standingFor(leadId: string, rows: ReadonlyMap<string, LeadRow>): string | null {
  let row = rows.get(leadId);
  for (let steps = 0; row !== undefined && row.merges.mergedInto !== null && steps < rows.size; steps += 1) {
    row = rows.get(row.merges.mergedInto.survivorLeadId);
  }
  return row === undefined || row.merges.mergedInto !== null ? null : row.leadId;
}
