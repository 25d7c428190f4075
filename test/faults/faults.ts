import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `npm run faults` runs every fault run beside this file; `npm run faults -- <name> [arguments]` one. They take minutes. */
const here = fileURLToPath(new URL('.', import.meta.url));
const known = readdirSync(here)
  .filter((file) => file.endsWith('.js') && file !== 'faults.js')
  .map((file) => file.slice(0, -'.js'.length));
const [name, ...rest] = process.argv.slice(2);
if (name !== undefined && !known.includes(name)) {
  console.error(`faults: no run named ${name}; there are ${known.join(', ')}`);
  process.exit(2);
}
if (!rest.every((argument) => /^[1-9]\d*$/.test(argument))) {
  console.error(`faults: ${rest.join(' ')} are no whole numbers; usage: npm run faults -- <name> [times] [seed]`);
  process.exit(2);
}
let failed = 0;
for (const run of name === undefined ? known : [name]) {
  const { status } = spawnSync(process.execPath, [`${here}${run}.js`, ...rest], { stdio: 'inherit' });
  if (status !== 0) failed += 1;
}
process.exit(failed > 0 ? 1 : 0);
