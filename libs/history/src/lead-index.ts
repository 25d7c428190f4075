import type { SentLeads } from './sent-leads.js';

const FIRST_CAPACITY = 1024;

/**
 * Lead ids by number, in order of first appearance. Uuids take 16 bytes and a slot of a hash table instead of a string and a map's
 * entry: a million leads fit in some 30 MB.
 */
export class LeadIndex {
  count = 0;
  /** Four words an id; zeroes where the id is no uuid. */
  #words = new Uint32Array(4 * FIRST_CAPACITY);
  /** Index + 1 of the lead in each slot, 0: free. */
  #slots = new Uint32Array(4 * FIRST_CAPACITY);
  /** Ids that are no uuids in canonical form. */
  readonly #others = new Map<string, number>();
  readonly #otherIds = new Map<number, string>();
  readonly #parsed = new Uint32Array(4);

  /** The lead's number, given one at its first appearance. */
  indexOf(leadId: string): number {
    if (!this.#parse(leadId)) {
      const known = this.#others.get(leadId);
      if (known !== undefined) return known;
      this.#others.set(leadId, this.count);
      this.#otherIds.set(this.count, leadId);
      this.#parsed.fill(0);
      return this.#add();
    }
    const slot = this.#slotOf(this.#parsed, 0);
    const taken = this.#slots[slot] as number;
    if (taken !== 0) return taken - 1;
    this.#slots[slot] = this.count + 1;
    return this.#add();
  }

  /** Null: there is no such lead. */
  find(leadId: string): number | null {
    if (!this.#parse(leadId)) return this.#others.get(leadId) ?? null;
    const taken = this.#slots[this.#slotOf(this.#parsed, 0)] as number;
    return taken === 0 ? null : taken - 1;
  }

  idAt(index: number): string {
    return this.#otherIds.get(index) ?? uuidOf(this.#words, 4 * index);
  }

  /** Of the leads [from, to). */
  ids(from = 0, to = this.count): string[] {
    return Array.from({ length: to - from }, (_, n) => this.idAt(from + n));
  }

  /** The first of them in shared memory. */
  shared(count: number): SentLeads {
    const words = new Uint32Array(new SharedArrayBuffer(16 * count));
    words.set(this.#words.subarray(0, 4 * count));
    return { count, words, others: [...this.#otherIds].filter(([index]) => index < count) };
  }

  static idsOf({ count, others, words }: SentLeads): string[] {
    const named = new Map(others);
    return Array.from({ length: count }, (_, index) => named.get(index) ?? uuidOf(words, 4 * index));
  }

  /** As bytes: words of the leads [from, to), plane by plane, and the ids that have none. */
  pack(from: number, to: number): { planes: Uint8Array; others: [offset: number, leadId: string][] } {
    const rows = to - from;
    const planes = new Uint8Array(16 * rows);
    for (let row = 0; row < rows; row += 1) {
      for (let word = 0; word < 4; word += 1) {
        const value = this.#words[4 * (from + row) + word] as number;
        for (let byte = 0; byte < 4; byte += 1)
          planes[(4 * word + byte) * rows + row] = (value >>> (24 - 8 * byte)) & 0xff;
      }
    }
    const others: [number, string][] = [];
    if (this.#otherIds.size > 0) {
      for (let index = from; index < to; index += 1) {
        const id = this.#otherIds.get(index);
        if (id !== undefined) others.push([index - from, id]);
      }
    }
    return { planes, others };
  }

  /** Adds what `pack` gave, in order. */
  unpack(planes: Uint8Array, others: readonly [offset: number, leadId: string][]): void {
    const rows = planes.length / 16;
    const named = new Map(others);
    for (let row = 0; row < rows; row += 1) {
      const id = named.get(row);
      if (id !== undefined) {
        this.#others.set(id, this.count);
        this.#otherIds.set(this.count, id);
        this.#parsed.fill(0);
      } else {
        for (let word = 0; word < 4; word += 1) {
          const at = 4 * word * rows + row;
          this.#parsed[word] =
            ((planes[at] as number) << 24) |
            ((planes[at + rows] as number) << 16) |
            ((planes[at + 2 * rows] as number) << 8) |
            (planes[at + 3 * rows] as number);
        }
        this.#slots[this.#slotOf(this.#parsed, 0)] = this.count + 1;
      }
      this.#add();
    }
  }

  /** Forgets every lead from this number on. */
  truncate(count: number): void {
    if (count >= this.count) return;
    for (const [index, id] of this.#otherIds) {
      if (index < count) continue;
      this.#otherIds.delete(index);
      this.#others.delete(id);
    }
    this.#words.fill(0, 4 * count, 4 * this.count);
    this.count = count;
    this.#rehash(this.#slots.length);
  }

  #add(): number {
    const index = this.count;
    if (4 * index === this.#words.length) {
      const words = new Uint32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words.set(this.#parsed, 4 * index);
    this.count += 1;
    if (2 * this.count > this.#slots.length) this.#rehash(2 * this.#slots.length);
    return index;
  }

  #rehash(slots: number): void {
    this.#slots = new Uint32Array(slots);
    for (let index = 0; index < this.count; index += 1) {
      if (this.#otherIds.size > 0 && this.#otherIds.has(index)) continue;
      this.#slots[this.#slotOf(this.#words, 4 * index)] = index + 1;
    }
  }

  /** Where these words are, or the free slot where they belong. */
  #slotOf(words: Uint32Array, at: number): number {
    const a = words[at] as number;
    const b = words[at + 1] as number;
    const c = words[at + 2] as number;
    const d = words[at + 3] as number;
    const mask = this.#slots.length - 1;
    let hash =
      Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(c ^ Math.imul(d, 0xc2b2ae35), 0x27d4eb2f);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) return slot;
      const other = 4 * (taken - 1);
      const known = this.#words;
      if (known[other] === a && known[other + 1] === b && known[other + 2] === c && known[other + 3] === d) return slot;
    }
  }

  /** Whether it is a uuid in lower case; its words are in `#parsed` then. Asked several times an event, so in one pass of table look-ups. */
  #parse(id: string): boolean {
    if (id.length !== 36) return false;
    let bad = 0;
    for (let word = 0; word < 4; word += 1) {
      let value = 0;
      for (let at = 8 * word; at < 8 * word + 8; at += 1) {
        const digit = DIGITS[id.charCodeAt(PLACES[at] as number)] ?? 16;
        bad |= digit;
        value = (value << 4) | digit;
      }
      this.#parsed[word] = value;
    }
    for (const dash of DASHES) if (id.charCodeAt(dash) !== 0x2d) return false;
    return bad < 16;
  }
}

/** Of character codes; 16: no digit. */
const DIGITS = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return digit < 0 ? 16 : digit;
});
const DASHES = [8, 13, 18, 23] as const;
/** Where the 32 digits are. */
const PLACES = Uint8Array.from([...Array(36).keys()].filter((place) => ![8, 13, 18, 23].includes(place)));

function uuidOf(words: Uint32Array, at: number): string {
  let hex = '';
  for (let word = at; word < at + 4; word += 1) hex += (words[word] as number).toString(16).padStart(8, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
