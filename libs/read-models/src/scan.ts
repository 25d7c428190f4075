import { setImmediate as nextTurn } from 'node:timers/promises';
import { rowPartition, ROW_TABLE } from '#libs/projections/src/projection.js';
import type { FactValues } from './dimensions.js';
import { type LeadRow, loadRow } from './lead-row.js';
import type { ReadView } from './store/read-store.js';

/** Facts decoded between two turns of the event loop: about 5 ms. */
const CHUNK = 5000;

/**
 * Decodes all facts of the partitions `fromPart ≤ part ≤ toPart` of one table. They are read in one call, so as of one
 * commit; decoding lets other work in between.
 */
export async function scanFacts(
  view: ReadView,
  table: string,
  fromPart: string,
  toPart: string,
  use: (fact: FactValues, key: string) => void,
): Promise<void> {
  const found = await view.rowsBetween(table, fromPart, toPart);
  for (let index = 0; index < found.length; index += 1) {
    const [, key, value] = found[index] as [string, string, string];
    use(JSON.parse(value) as FactValues, key);
    if (index % CHUNK === CHUNK - 1) await nextTurn();
  }
}

/** The packed rows of these leads, in their order; a lead that vanished meanwhile is left out. */
export async function readRows(view: ReadView, leadIds: readonly string[]): Promise<LeadRow[]> {
  const byPartition = new Map<string, string[]>();
  for (const leadId of leadIds) {
    const part = rowPartition(leadId);
    const keys = byPartition.get(part);
    if (keys === undefined) byPartition.set(part, [leadId]);
    else keys.push(leadId);
  }
  const found = new Map<string, string>();
  await Promise.all(
    [...byPartition].map(async ([part, keys]) => {
      const values = await view.get(ROW_TABLE, part, keys);
      keys.forEach((key, index) => {
        const value = values[index];
        if (typeof value === 'string') found.set(key, value);
      });
    }),
  );
  const rows: LeadRow[] = [];
  for (const leadId of leadIds) {
    const packed = found.get(leadId);
    if (packed !== undefined) rows.push(loadRow(packed, leadId));
  }
  return rows;
}

/** Facts of which a lead may have several have the key `<leadId>/<number>`. */
export const leadOfKey = (key: string): string => key.slice(0, key.lastIndexOf('/'));
