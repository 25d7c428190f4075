import type { Position } from '#libs/event-log/src/event-log.js';
import type { Columns, HistoryTables, Table } from './table.js';
import {
  AGREEMENT,
  CALENDAR,
  CLOCK_DETAIL,
  CLOCK_FACT,
  CLOCK_FACTS,
  CLOCK_TYPE,
  type ClockFact,
  clockFacts,
  clockPromises,
  OWNER,
  TEAM,
} from './tables-clocks.js';

/** The rows about clocks, found by lead in the order of the lead's stream. The columns are the history's own: nothing is copied. */
export interface ClockHistory {
  /** The log is in up to here. */
  readonly position: Position | null;
  readonly leadIds: readonly string[];
  readonly promises: RowsByLead;
  readonly facts: RowsByLead;
  /** By code. */
  readonly factOf: readonly ClockFact[];
  readonly names: Readonly<
    Record<'clockType' | 'agreement' | 'calendar' | 'owner' | 'team' | 'detail', readonly (string | null)[]>
  >;
}

export interface RowsByLead {
  readonly column: (name: string) => Columns['columns'][number];
  /** Rows of lead n: `row[first[n]]` up to `row[first[n + 1]]`. */
  readonly first: Uint32Array;
  readonly row: Uint32Array;
}

export function clockHistoryOf(tables: HistoryTables): ClockHistory {
  const leads = tables.leadIds.length;
  const names = (dictionary: string) => tables.dictionary(dictionary).values as readonly (string | null)[];
  return {
    position: tables.position,
    leadIds: tables.leadIds,
    promises: byLead(clockPromises, tables.table(clockPromises), leads),
    facts: byLead(clockFacts, tables.table(clockFacts), leads),
    factOf: names(CLOCK_FACT).map((name) => CLOCK_FACTS.find((fact) => fact === name) ?? 'warned'),
    names: {
      clockType: names(CLOCK_TYPE),
      agreement: names(AGREEMENT),
      calendar: names(CALENDAR),
      owner: names(OWNER),
      team: names(TEAM),
      detail: names(CLOCK_DETAIL),
    },
  };
}

/** Counting sort: a lead's rows stay in the order of the log, which is that of its stream. */
function byLead(table: Table, { columns, rows }: Columns, leads: number): RowsByLead {
  const column = (name: string) => columns[table.columns.findIndex((one) => one.name === name)] as Uint32Array;
  const lead = column('lead');
  const first = new Uint32Array(leads + 1);
  for (let n = 0; n < rows; n += 1) first[lead[n]! + 1]! += 1;
  for (let n = 0; n < leads; n += 1) first[n + 1]! += first[n]!;
  const next = first.slice();
  const row = new Uint32Array(rows);
  for (let n = 0; n < rows; n += 1) row[next[lead[n]!]!++] = n;
  return { column, first, row };
}
