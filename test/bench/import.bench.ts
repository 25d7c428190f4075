import { createHash, randomUUID } from 'node:crypto';
import { importBed, type ImportBed } from '../support/import-bed.js';
import { median } from './median.js';

const RUNS = 3;
const LEADS = 8000;
const ONE_BY_ONE = 300;

type Files = Record<string, string>;

/** As Olist's: one row a lead, a tenth of them won in a second file, nothing personal. */
function funnel(run: number): Files {
  const leads = ['mql_id,first_contact_date,landing_page_id,origin'];
  const deals = ['mql_id,sr_id,won_date'];
  for (let n = 0; n < LEADS; n++) {
    const id = createHash('md5').update(`${run}/${n}`).digest('hex');
    leads.push(
      `${id},2018-0${1 + (n % 9)}-01,page-${n % 495},${['organic_search', 'paid_search', 'social', ''][n % 4]}`,
    );
    if (n % 10 === 0) deals.push(`${id},rep-${n % 22},2019-01-0${1 + (n % 9)} 19:58:54`);
  }
  return {
    'olist_marketing_qualified_leads_dataset.csv': leads.join('\n'),
    'olist_closed_deals_dataset.csv': deals.join('\n'),
  };
}

/** Three rows a lead: captured with e-mail and phone, marked, won or lost. */
function people(run: number): Files {
  const rows = ['lead_id,occurred_at,stage,email,phone,given_name,channel,source,reason,amount,currency,owner'];
  for (let n = 0; n < LEADS; n++) {
    const day = `2024-0${1 + (n % 9)}-${String(1 + (n % 28)).padStart(2, '0')}`;
    const id = `${run}-${n}`;
    const phone = `+49${run}${String(n).padStart(9, '0')}`;
    rows.push(
      `${id},${day}T08:00:00Z,captured,p${id}@example.org,${phone},Pat,search,fair-${n % 7},,,,`,
      `${id},${day}T09:00:00Z,mql,,,,,,asked,,,`,
      n % 2 === 0
        ? `${id},${day}T10:00:00Z,won,,,,,,,100.50,EUR,rep-${n % 20}`
        : `${id},${day}T10:00:00Z,lost,,,,,,price,,,`,
    );
  }
  return { 'people.csv': rows.join('\n') };
}

async function leadsPerSecond(bed: ImportBed, mapping: string, make: (run: number) => Files): Promise<number> {
  const figures: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const files = make(run);
    const begun = performance.now();
    const { counts } = await bed.run(mapping, files);
    figures.push((LEADS / (performance.now() - begun)) * 1000);
    if (counts.accepted !== LEADS) throw new Error(`accepted ${counts.accepted} of ${LEADS}`);
  }
  return median(figures);
}

/** The baseline: the same kind of lead through the live command path, each command awaited before the next. */
async function oneByOne(bed: ImportBed): Promise<number> {
  const actor = { type: 'user', id: 'admin', role: 'admin', teams: [] } as const;
  const begun = performance.now();
  for (let n = 0; n < ONE_BY_ONE; n++) {
    const command = { commandId: randomUUID(), actor, source: { system: 'bench' } };
    const source = { channel: 'search', code: 'fair' };
    const body = {
      person: { email: `${randomUUID()}@example.org` },
      source,
      consents: [{ purpose: 'phone', basis: 'x' }],
    };
    const { leadId } = await bed.commands.execute({ ...command, name: 'CaptureLead', body });
    await bed.commands.execute({ ...command, commandId: randomUUID(), name: 'MarkMQL', leadId, body: { reason: 'x' } });
  }
  return (ONE_BY_ONE / (performance.now() - begun)) * 1000;
}

/** Leads a second from files on disk into an embedded log with fsync: read, mapped, decided, claimed, sealed, appended. */
export const bench = {
  name: 'import',
  async run(): Promise<void> {
    const bed = await importBed();
    try {
      const base = await oneByOne(bed);
      const told = (name: string, figure: number) =>
        console.log(`${name}: ${Math.round(figure)} leads/s, ratio ${(figure / base).toFixed(1)}`);
      told('baseline, two live commands a lead, one by one', base);
      told(`olist mapping, median of ${RUNS} × ${LEADS}`, await leadsPerSecond(bed, 'olist', funnel));
      told(`generic mapping, 3 rows a lead, e-mail and phone, median of ${RUNS} × ${LEADS}`, await leadsPerSecond(bed, 'generic', people)); // prettier-ignore
    } finally {
      await bed.close();
    }
  },
};
