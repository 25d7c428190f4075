import { setImmediate as nextTurn } from 'node:timers/promises';
import { rowPartition, ROW_TABLE } from '#libs/projections/src/projection.js';
import type { AsOf } from './as-of.js';
import { utcDay } from './dimensions.js';
import { type FactRow, parseFact } from './fact-row.js';
import type { Groups, GroupsTally } from './grouping.js';
import { type LeadRow, loadRow } from './lead-row.js';
import { type PartTallies, type PartTally, talliesOf } from './part-tallies.js';
import { keepRecent, recentFacts } from './recent-facts.js';
import type { ReportParams } from './report-params.js';
import type { ReadView } from './store/read-store.js';
import type { Tally } from './tally.js';

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
  use: (fact: FactRow) => void,
  kept?: Kept,
): Promise<void> {
  if (kept?.groups !== undefined) return scanKept(view, table, fromPart, toPart, use, kept.params, kept.groups);
  const found = await view.rowsBetween(table, fromPart, toPart);
  for (let index = 0; index < found.length; index += 1) {
    const [, key, value] = found[index] as [string, string, string];
    use(parseFact(value, key));
    if (index % CHUNK === CHUNK - 1) await nextTurn();
  }
}

/** The groups that a scan fills and keeps the parts of, and what it was asked. */
export interface Kept {
  readonly params: ReportParams;
  readonly groups: Groups<unknown> | undefined;
}

/** Only partitions that have changed since the same question was asked the last time are decoded. */
async function scanKept(
  view: ReadView,
  table: string,
  fromPart: string,
  toPart: string,
  use: (fact: FactRow) => void,
  params: ReportParams,
  groups: Groups<unknown>,
): Promise<void> {
  const tallies = talliesOf<GroupsTally<unknown>>(
    view,
    JSON.stringify([table, fromPart, toPart, asked(params), asked(groups.params), groups.dependsOn]),
  );
  if (tallies.isTooLarge) return scanFacts(view, table, fromPart, toPart, use);
  const { asOf } = groups;
  const before = groups.take();
  asOf.take();
  const months = new Map<string, PartTally<GroupsTally<unknown>>[]>();
  const count = (facts: readonly FactRow[]): GroupsTally<unknown> => {
    for (const fact of facts) use(fact);
    return groups.take();
  };
  await eachPart(view, table, fromPart, toPart, asOf, tallies, count, (part, tally) => {
    const month = part.slice(0, -'-dd'.length);
    const ofMonth = months.get(month);
    if (ofMonth === undefined) months.set(month, [tally]);
    else ofMonth.push(tally);
  });
  const sum = (parts: readonly GroupsTally<unknown>[]): GroupsTally<unknown> => {
    for (const part of parts) groups.add(part);
    return groups.take();
  };
  const sums = [...months].map(([month, parts]) => tallies.ofMonth(month, parts, sum));
  groups.add(before);
  for (const one of sums) groups.add(one);
  tallies.weigh();
}

/** Tells of each partition what it adds: as it is held, or counted from its facts where it has changed. */
async function eachPart<T>(
  view: ReadView,
  table: string,
  fromPart: string,
  toPart: string,
  asOf: AsOf,
  tallies: PartTallies<T>,
  count: (facts: readonly FactRow[]) => T,
  tell: (part: string, tally: PartTally<T>) => void,
): Promise<void> {
  const held = tallies.held(asOf);
  const recent = recentFacts(view, table);
  const found = await view.partsBetween(table, fromPart, toPart, (part) => {
    const [tally, read] = [held.get(part), recent.get(part)];
    return tally === undefined || (read?.reading ?? 0) > tally.reading ? read?.version : tally.version;
  });
  let counted = 0;
  for (const { part, rows, version } of found) {
    let tally = held.get(part);
    if (tally?.version !== version) {
      const facts = rows?.map(([key, value]) => parseFact(value, key)) ?? recent.get(part)?.facts ?? [];
      if (rows !== null && tally !== undefined) keepRecent(view, table, part, version, facts);
      const adds = count(facts);
      tally = tallies.keep(part, version, asOf.take(), adds);
      counted += facts.length;
      if (counted >= CHUNK) {
        counted = 0;
        await nextTurn();
      }
    }
    tell(part, tally);
  }
}

/**
 * What can be told of each fact at asOf, kept by partition until it changes. For figures that change with asOf itself: they are
 * counted each time, but from what is decoded already. `question` says on what `tell` depends beside asOf, which is told of every
 * instant that is compared with it.
 */
export async function scanDecoded<T>(
  view: ReadView,
  table: string,
  fromPart: string,
  toPart: string,
  question: string,
  asOf: AsOf,
  tell: (fact: FactRow) => T | null,
  /** Of one, about. */
  bytes: number,
  use: (told: T) => void,
): Promise<void> {
  const tallies = talliesOf<Decoded<T>>(view, JSON.stringify(['decoded', table, fromPart, toPart, question]));
  if (tallies.isTooLarge) {
    return scanFacts(view, table, fromPart, toPart, (fact) => {
      const told = tell(fact);
      if (told !== null) use(told);
    });
  }
  asOf.take();
  const count = (facts: readonly FactRow[]): Decoded<T> =>
    new Decoded(
      facts.map(tell).filter((told) => told !== null),
      bytes,
    );
  const parts: Decoded<T>[] = [];
  await eachPart(view, table, fromPart, toPart, asOf, tallies, count, (_, { tally }) => parts.push(tally));
  tallies.weigh();
  for (const { all } of parts) for (const told of all) use(told);
}

class Decoded<T> implements Tally {
  constructor(
    readonly all: T[],
    private readonly bytes: number,
  ) {}
  absorb({ all }: Decoded<T>): void {
    for (const told of all) this.all.push(told);
  }
  weight(): number {
    return 60 + this.bytes * this.all.length;
  }
}

/** A text that does not keep the longer one alive that it was cut from. */
export const ownText = (text: string): string => Buffer.from(text).toString();

/** The partition of what is open still, by the day it began: it sorts after every day. */
export const openPart = (sinceMs: number): string => `${OPEN_PARTS}${utcDay(sinceMs)}`;
export const OPEN_PARTS = 'open-';

/** What a question's answer depends on beside asOf, which is looked at by partition. */
const asked = ({ report, fromMs, toMs, tz, by, groupBy, filter, choices }: ReportParams): unknown[] => [
  report,
  fromMs,
  toMs,
  tz,
  by,
  groupBy,
  filter,
  choices,
];

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
