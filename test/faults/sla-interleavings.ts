import { runSlaInterleavings } from '../support/sla-interleavings.js';

/** `npm run faults -- sla-interleavings [runs] [first seed]`: never two breaches, never a lost one (spec §6.6). */
const runs = Number(process.argv[2] ?? 1000);
const first = Number(process.argv[3] ?? 1);
const { failures, outcomes, retracted, turns } = await runSlaInterleavings(
  Array.from({ length: runs }, (_, n) => first + n),
);
console.log(
  `sla-interleavings: ${runs} interleavings from seed ${first}, ${turns} turns; acceptances ${outcomes.met} in time, ` +
    `${outcomes.late} late, ${outcomes.conflict} refused as conflicts, ${outcomes.tooOld} as too old; ${retracted} breaches retracted`,
);
for (const failure of failures) console.error(failure);
console.log(failures.length === 0 ? 'sla-interleavings: passed' : `sla-interleavings: ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);
