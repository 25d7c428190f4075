import type { ScoreRange } from './read-store.js';

export interface Scored {
  readonly member: string;
  readonly score: number;
}

const CHUNK = 512;

/** Members ordered by score, ties by member: chunks of a sorted list, so that a change moves a few hundred slots at most. */
export class ScoreSet {
  private readonly byMember = new Map<string, Scored>();
  private chunks: Scored[][] = [];

  static of(entries: readonly Scored[]): ScoreSet {
    const set = new ScoreSet();
    const sorted = [...entries].sort(compare);
    for (const entry of sorted) set.byMember.set(entry.member, entry);
    for (let index = 0; index < sorted.length; index += CHUNK) set.chunks.push(sorted.slice(index, index + CHUNK));
    return set;
  }

  get size(): number {
    return this.byMember.size;
  }

  put(member: string, score: number): void {
    if (this.byMember.get(member)?.score === score) return;
    this.delete(member);
    const entry = { member, score };
    this.byMember.set(member, entry);
    const at = this.chunkFor(entry);
    const chunk = this.chunks[at];
    if (chunk === undefined) {
      this.chunks.push([entry]);
      return;
    }
    chunk.splice(lowerBound(chunk, entry), 0, entry);
    if (chunk.length > 2 * CHUNK) this.chunks.splice(at, 1, chunk.slice(0, CHUNK), chunk.slice(CHUNK));
  }

  delete(member: string): void {
    const entry = this.byMember.get(member);
    if (entry === undefined) return;
    this.byMember.delete(member);
    const at = this.chunkFor(entry);
    const chunk = this.chunks[at] as Scored[];
    chunk.splice(lowerBound(chunk, entry), 1);
    if (chunk.length === 0) this.chunks.splice(at, 1);
  }

  range({ min = -Infinity, max = Infinity, limit = Infinity }: ScoreRange = {}): [string, number][] {
    const found: [string, number][] = [];
    const first = { member: '', score: min };
    for (let at = this.chunkFor(first); at < this.chunks.length; at += 1) {
      const chunk = this.chunks[at] as Scored[];
      for (let index = found.length === 0 ? lowerBound(chunk, first) : 0; index < chunk.length; index += 1) {
        const { member, score } = chunk[index] as Scored;
        if (score > max || found.length >= limit) return found;
        found.push([member, score]);
      }
    }
    return found;
  }

  /** Unaffected by later changes. */
  entries(): Scored[] {
    return [...this.byMember.values()];
  }

  /** The chunk that holds `entry` or should: the first whose last member is not below it, else the last. */
  private chunkFor(entry: Scored): number {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = this.chunks[middle] as Scored[];
      if (compare(chunk[chunk.length - 1] as Scored, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function lowerBound(chunk: readonly Scored[], entry: Scored): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(chunk[middle] as Scored, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(left: Scored, right: Scored): number {
  if (left.score !== right.score) return left.score - right.score;
  return left.member < right.member ? -1 : left.member > right.member ? 1 : 0;
}
