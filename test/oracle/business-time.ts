import { askGroup, seededRandom, type Difference } from './business-time-questions.js';

/**
 * `npm run oracle:business-time -- <questions> [seed]`: random questions (open time between two instants, due instant of a target)
 * to the closed form and to a calendar that walks every minute. Exits 1 when an answer differs.
 */
const QUESTIONS_PER_GROUP = 500;
const MAX_SHOWN = 5;

const wanted = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(seed)) {
  console.error('oracle: usage: oracle:business-time -- <questions> [seed]');
  process.exit(2);
}

const random = seededRandom(seed);
const differences: Difference[] = [];
let asked = 0;
let groups = 0;
while (asked < wanted) {
  const count = Math.min(QUESTIONS_PER_GROUP, wanted - asked);
  const result = askGroup(random, count);
  differences.push(...result.differences);
  asked += result.asked;
  if (++groups % 200 === 0) console.log(`${asked} questions, ${groups} calendars, ${differences.length} differences`);
}
for (const difference of differences.slice(0, MAX_SHOWN)) console.error(JSON.stringify(difference));
console.log(`seed ${seed}: ${asked} questions on ${groups} calendars, ${differences.length} differences`);
process.exitCode = differences.length === 0 ? 0 : 1;
