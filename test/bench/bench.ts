import { readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/**
 * `npm run bench` runs every `*.bench.ts` beside this file, `npm run bench -- <name> …` only those named. Each prints its
 * medians and the ratio to a baseline of the same run. Figures of shared machines are compared by ratio, not by second.
 * `--leads=<n>` makes those shorter that fill a ledger first.
 */
interface Bench {
  readonly name: string;
  run(leads?: number): Promise<void>;
}

const here = new URL('.', import.meta.url);
const files = readdirSync(here).filter((file) => file.endsWith('.bench.js'));
const given = process.argv.slice(2);
const sizes = given.filter((argument) => argument.startsWith('--leads='));
const wanted = given.filter((argument) => !sizes.includes(argument));
const leads = sizes[0] === undefined ? undefined : Number(sizes[0].slice('--leads='.length));
if (leads !== undefined && !(Number.isSafeInteger(leads) && leads >= 100)) {
  console.error('bench: --leads must be a whole number of at least 100');
  process.exit(2);
}
const known = files.map((file) => file.slice(0, -'.bench.js'.length));
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`bench: no benchmark named ${unknown.join(', ')}; there are ${known.join(', ')}`);
  process.exit(2);
}

console.log(
  `node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
);
for (const name of wanted.length > 0 ? wanted : known) {
  const { bench } = (await import(new URL(`${name}.bench.js`, here).href)) as { bench: Bench };
  console.log(`\n# ${bench.name}   (npm run bench -- ${[name, ...sizes].join(' ')})`);
  await bench.run(leads);
}
