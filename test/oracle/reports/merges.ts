import fc from 'fast-check';
import { viewOf } from '#libs/read-models/src/given-when-then.js';
import { REPORT_NAMES, type ReportName, runReport } from '#libs/read-models/src/reports.js';
import { CAMPAIGNS } from './attribution-oracle.js';
import { same } from './claims.js';
import { playAll, type Player, policies, type Step } from './lead-histories.js';

/** A merge that is taken back leaves every report as it was, to the last byte: as usually asked, and by source. */

/** Answers for a period only. */
const PERIOD = { from: '2018-03-19', to: '2018-06-01' };
const queriesOf = (name: ReportName): Record<string, string>[] => {
  const period = name === 'forecast-accuracy' ? PERIOD : {};
  return [period, { ...period, by: 'source' }, { ...period, by: 'source,owner' }];
};

/** Which of the leads that can be merged survives, and which of the others is absorbed. */
export const pairs = fc.tuple(fc.nat(2), fc.nat(1));

/** False when there are no two that can be merged. */
export async function mergeLeavesNoTrace(
  history: readonly Step[],
  [one, other]: readonly [number, number],
  names: readonly ReportName[] = REPORT_NAMES,
): Promise<boolean> {
  const { nowMs, past, players } = playAll(history);
  const able = players.filter(({ lead }) => lead.state !== null && lead.state !== 'MERGED');
  if (able.length < 2) return false;
  const survivor = able[one % able.length] as Player;
  const others = able.filter((player) => player !== survivor);
  const duplicate = others[other % others.length] as Player;
  // What falls due meanwhile is broken with the merge or without.
  for (const player of players) player.sweep(nowMs);
  const context = { nowMs: nowMs + 2, defaultTz: 'UTC', position: null, policies, campaigns: CAMPAIGNS };
  const answers = async (): Promise<Map<string, string>> => {
    const view = await viewOf(past);
    const found = new Map<string, string>();
    for (const name of names)
      for (const query of queriesOf(name))
        found.set(`${name} ${JSON.stringify(query)}`, JSON.stringify(await runReport(view, name, query, context)));
    return found;
  };
  const before = await answers();
  survivor.merge(duplicate, 'again', nowMs);
  survivor.unmerge('again', nowMs + 1);
  for (const [question, answer] of await answers()) same(answer, before.get(question), question);
  return true;
}
