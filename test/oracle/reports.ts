import fc from 'fast-check';
import { CHECKS, PlayedPast } from './reports/checks.js';
import { dealSteps, playDeals } from './reports/deal-histories.js';
import { playAll, steps } from './reports/lead-histories.js';
import { mergeLeavesNoTrace, pairs } from './reports/merges.js';
import { question } from './reports/question.js';

/**
 * `npm run oracle:reports -- <histories> [seed] [checks]`: random histories of leads, and half as many of deals, with every report of
 * each compared with a slow reader of its events; and as many merges taken back. Exits 1 when an answer differs. `checks`: names
 * with commas between, for a closer look.
 */

const wanted = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? 1);
if (!Number.isSafeInteger(wanted) || wanted < 1 || !Number.isSafeInteger(seed)) {
  console.error('oracle: usage: oracle:reports -- <histories> [seed] [checks]');
  process.exit(2);
}
const named = process.argv[4]?.split(',');
const checks = CHECKS.filter(({ name }) => named?.includes(name) ?? true);

const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 });

/** Runs the property, with a word now and then, and tells of the first history that breaks it. */
async function hold<T>(
  what: string,
  numRuns: number,
  histories: fc.Arbitrary<T>,
  judge: (history: T) => Promise<unknown>,
): Promise<boolean> {
  let played = 0;
  let counted = 0;
  const property = fc.asyncProperty(histories, async (history) => {
    played += 1;
    if (played % 500 === 0) console.log(`seed ${seed}: ${played} ${what}`);
    if ((await judge(history)) !== false) counted += 1;
  });
  // Making a history smaller takes longer than finding it: the path leads back to it.
  const result = await fc.check(property, { numRuns, seed, endOnFailure: true });
  if (result.failed) {
    console.error(`seed ${seed}, ${what}: ${String(result.errorInstance)}`);
    console.error(`path ${result.counterexamplePath} ${JSON.stringify(result.counterexample)}`);
  }
  const outcome = result.failed ? 'a difference' : 'no difference';
  console.log(`seed ${seed}: ${result.numRuns} ${what} (${counted} counted), ${outcome}`);
  return !result.failed;
}

const held = async (past: PlayedPast, asked: Parameters<(typeof CHECKS)[number]['judge']>[1]): Promise<void> => {
  for (const { judge } of checks) await judge(past, asked);
};
const outcomes = [
  await hold('histories of leads', wanted, fc.tuple(steps, sizes, question), async ([history, batches, asked]) =>
    held(await PlayedPast.of(playAll(history), batches), asked),
  ),
  await hold('histories of deals', Math.ceil(wanted / 2), fc.tuple(dealSteps, sizes, question), async (tuple) => {
    const [history, batches, asked] = tuple;
    await held(await PlayedPast.of(playDeals(history), batches), asked);
  }),
  named === undefined || named.includes('merges')
    ? await hold('merges taken back', wanted, fc.tuple(steps, pairs), ([history, pair]) =>
        mergeLeavesNoTrace(history, pair),
      )
    : true,
];
process.exitCode = outcomes.every(Boolean) ? 0 : 1;
