import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importBed, IMPORTER } from '../support/import-bed.js';
import { median } from './median.js';

const RUNS = 3;
const LEADS = 10_000;
const STAGES = 3;

/** `stages` rows a lead: captured with e-mail and phone, marked, won or lost. Deterministic. */
function history(leads: number, run: number): string {
  const rows = ['lead_id,occurred_at,stage,email,phone,given_name,channel,source,reason,amount,currency,owner'];
  for (let n = 0; n < leads; n++) {
    const day = `2024-0${1 + (n % 9)}-${String(1 + (n % 28)).padStart(2, '0')}`;
    const id = `${run}-${n}`;
    rows.push(
      `${id},${day}T08:00:00Z,captured,p${id}@example.org,+49${run}${String(n).padStart(9, '0')},Pat,search,fair-${n % 7},,,,`,
      `${id},${day}T09:00:00Z,mql,,,,,,asked,,,`,
      n % 2 === 0
        ? `${id},${day}T10:00:00Z,won,,,,,,,100.50,EUR,rep-${n % 20}`
        : `${id},${day}T10:00:00Z,lost,,,,,,price,,,`,
    );
  }
  return rows.join('\n');
}

/** Leads a second from files on disk into an embedded log with fsync: read, mapped, decided, claimed, sealed, appended. */
export const bench = {
  name: 'import',
  async run(): Promise<void> {
    const bed = await importBed();
    const scratch = await mkdtemp(join(tmpdir(), 'import-bench-'));
    try {
      const perSecond: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const path = join(scratch, `${run}.csv`);
        await writeFile(path, history(LEADS, run));
        const begun = performance.now();
        const { id } = await bed.imports.take('generic', `${run}.csv`, createReadStream(path), IMPORTER);
        const card = await bed.imports.settled(id, 600_000);
        if (card.counts.accepted !== LEADS) throw new Error(`accepted ${card.counts.accepted} of ${LEADS}`);
        perSecond.push((LEADS / (performance.now() - begun)) * 1000);
      }
      const leads = median(perSecond);
      console.log(`import: ${Math.round(leads)} leads/s (${Math.round(leads * STAGES)} rows/s), median of ${RUNS} × ${LEADS} leads, ${STAGES} rows each, with e-mail and phone`); // prettier-ignore
    } finally {
      await bed.close();
      await rm(scratch, { recursive: true, force: true });
    }
  },
};
