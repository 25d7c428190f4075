import type { Earlier } from './column-codec.js';
import type { Column, ColumnArray, Table } from './table.js';

const SECONDS: Column = { name: 'seconds', type: 'u32', about: '' };

/**
 * The spine is the table with one row an event. What another table says of the same event – its lead, its revision, its times, those in
 * seconds – is written as the difference to it, mostly nothing. `events`: which row of the spine each row belongs to.
 */
export function hintsOf(spine: Table, columns: readonly (ColumnArray | undefined)[], events: Uint32Array): Earlier[] {
  const hints: Earlier[] = [];
  for (const index of spineColumnsOf(spine)) {
    const column = spine.columns[index] as Column;
    const known = columns[index] as ColumnArray;
    if (column.type !== 'instant') {
      const values = new Uint32Array(events.length);
      for (let row = 0; row < values.length; row += 1) values[row] = known[events[row] as number] ?? 0;
      hints.push({ column, values });
      continue;
    }
    const values = new Float64Array(events.length);
    const seconds = new Uint32Array(events.length);
    for (let row = 0; row < values.length; row += 1) {
      const ms = known[events[row] as number] ?? NaN;
      values[row] = ms;
      seconds[row] = Math.floor(ms / 1_000);
    }
    hints.push({ column, values }, { column: SECONDS, values: seconds });
  }
  return hints;
}

/** Its lead, its first number and its first two times. */
export function spineColumnsOf({ columns }: Table): number[] {
  const ofType = (type: Column['type'], most: number): number[] =>
    columns.flatMap((column, index) => (column.type === type ? [index] : [])).slice(0, most);
  return [...ofType('lead', 1), ...ofType('u32', 1), ...ofType('instant', 2)];
}
