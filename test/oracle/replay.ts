import { RandomCompany } from '../support/random-company.js';
import { scoringInForceOf } from '../support/company-history.js';

/**
 * `npm run oracle:replay -- <companies> [seed]`: replays the models that were in force over the history of random companies and
 * compares with every score and mark in their logs. Exits 1 when one differs, is missing or should not be there.
 */
const wanted = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? 1);
if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(seed)) {
  console.error('oracle: usage: oracle:replay -- <companies> [seed]');
  process.exit(2);
}

const sum = { leads: 0, evaluations: 0, scores: 0, consequences: 0, differenceCount: 0 };
const told = (companies: number): string =>
  `${companies} companies, ${sum.leads} leads, ${sum.evaluations} evaluations, ${sum.scores} recorded scores, ` +
  `${sum.consequences} marks and moves by score, ${sum.differenceCount} differences`;
for (let n = 1; n <= wanted; n++) {
  const found = await scoringInForceOf(new RandomCompany(seed + n - 1).log);
  for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += found[name];
  for (const difference of found.differences.slice(0, 2))
    console.error(JSON.stringify({ seed: seed + n - 1, ...difference }));
  if (n % 100 === 0 && n < wanted) console.log(told(n));
}
console.log(`seed ${seed}: ${told(wanted)}`);
process.exitCode = sum.differenceCount === 0 ? 0 : 1;
