import type { Op } from '#libs/read-models/src/store/read-store.js';
import type { Fact } from './projection.js';

/** Collects what turns one state of a view into the next: row and score changes per entity, counters summed over all. */
export class FactDifference {
  readonly ops: Op[] = [];
  private readonly counts = new Map<string, Map<string, number>>();
  private matched = new Uint8Array(32);

  /** Adds what turns `before` into `after`; facts that stayed cost a comparison. */
  add(before: readonly Fact[], after: readonly Fact[]): void {
    if (before === after) return;
    if (this.matched.length < before.length) this.matched = new Uint8Array(before.length * 2);
    const { matched } = this;
    matched.fill(0, 0, before.length);
    for (let index = 0; index < after.length; index += 1) {
      const fact = after[index] as Fact;
      const found = findSame(before, fact, index, matched);
      if (found < 0) {
        this.appear(fact);
      } else {
        matched[found] = 1;
        this.change(before[found] as Fact, fact);
      }
    }
    for (let index = 0; index < before.length; index += 1) {
      if (matched[index] === 0) this.vanish(before[index] as Fact);
    }
  }

  /** All operations; the counters' net sums come last. */
  finish(): Op[] {
    for (const [counters, keys] of this.counts) {
      for (const [key, by] of keys) if (by !== 0) this.ops.push({ op: 'add', counters, key, by });
    }
    return this.ops;
  }

  private appear(fact: Fact): void {
    if (fact.kind === 'row') {
      this.ops.push({ op: 'put', table: fact.table, part: fact.part, key: fact.key, value: fact.value });
    } else if (fact.kind === 'score') {
      this.ops.push({ op: 'score', set: fact.set, member: fact.member, score: fact.score });
    } else {
      this.count(fact.counters, fact.key, fact.by);
    }
  }

  private change(before: Fact, after: Fact): void {
    if (after.kind === 'row') {
      if ((before as typeof after).value !== after.value) this.appear(after);
    } else if (after.kind === 'score') {
      if ((before as typeof after).score !== after.score) this.appear(after);
    } else {
      this.count(after.counters, after.key, after.by - (before as typeof after).by);
    }
  }

  private vanish(fact: Fact): void {
    if (fact.kind === 'row') this.ops.push({ op: 'del', table: fact.table, part: fact.part, key: fact.key });
    else if (fact.kind === 'score') this.ops.push({ op: 'unscore', set: fact.set, member: fact.member });
    else this.count(fact.counters, fact.key, -fact.by);
  }

  private count(counters: string, key: string, by: number): void {
    if (by === 0) return;
    let keys = this.counts.get(counters);
    if (keys === undefined) {
      keys = new Map();
      this.counts.set(counters, keys);
    }
    keys.set(key, (keys.get(key) ?? 0) + by);
  }
}

/** Facts come in a stable order, so the same place is looked at first. An entity has a few dozen at most. */
function findSame(before: readonly Fact[], fact: Fact, place: number, matched: Uint8Array): number {
  if (place < before.length && matched[place] === 0 && isSame(before[place] as Fact, fact)) return place;
  for (let index = 0; index < before.length; index += 1) {
    if (matched[index] === 0 && isSame(before[index] as Fact, fact)) return index;
  }
  return -1;
}

function isSame(left: Fact, right: Fact): boolean {
  switch (left.kind) {
    case 'row':
      return right.kind === 'row' && left.table === right.table && left.part === right.part && left.key === right.key;
    case 'score':
      return right.kind === 'score' && left.set === right.set && left.member === right.member;
    case 'count':
      return right.kind === 'count' && left.counters === right.counters && left.key === right.key;
  }
}
