import type { CompiledModel } from './compile.js';
import { SCORED_KINDS, type BehaviourField, type FactValue, type ScoredKind } from './facts.js';
import { copyOf, count, noSums, resetEngagement, type Sums } from './kernel.js';

/** One behaviour with all that rules may read of it. Instants are whole seconds since 1970. */
export interface Behaviour {
  readonly eventId: string;
  readonly kind: ScoredKind;
  readonly occurredAtS: number;
  /** From when on it counts: the decision that recorded it; of imported history, when it occurred (spec §5.4). */
  readonly availableAtS: number;
  readonly count: number;
  readonly more?: { readonly [F in Exclude<BehaviourField, 'count'>]?: string };
}
/** Sales returned the lead: where models with `reset_engagement` start anew. */
export interface ReturnMark {
  readonly eventId: string;
  readonly kind: 'returned';
}
interface Entry {
  readonly what: Behaviour | ReturnMark;
  /** Latest of all `availableAtS` so far: what comes out of order is counted at its predecessor's instant. */
  readonly atS: number;
  readonly previous: Entry | null;
}

const BIT = new Map<string, number>(SCORED_KINDS.map((kind, n) => [kind, 1 << n]));
const bitOf = (kind: string): number => BIT.get(kind) ?? 0;

export const wholeSeconds = (instantMs: number): number => Math.floor(instantMs / 1000);

/**
 * A lead's behaviours in the order of the log. Immutable: `with` answers a longer one that shares its past. What a model made of
 * them is kept beside them, so that the next behaviour costs the same however long the past is; it is never more than a cache.
 */
export class Behaviours {
  /** The sums under the model that asked last. */
  #folded: { readonly model: CompiledModel; readonly sums: Sums } | null = null;

  constructor(
    readonly latest: Entry | null = null,
    readonly length: number = 0,
    /** A bit for each kind that occurs. */
    private readonly kinds: number = 0,
  ) {}

  with(what: Behaviour | ReturnMark): Behaviours {
    const { latest } = this;
    const available = what.kind === 'returned' ? -Infinity : what.availableAtS;
    const entry: Entry = { what, atS: Math.max(latest?.atS ?? -Infinity, available), previous: latest };
    const next = new Behaviours(entry, this.length + 1, this.kinds | bitOf(what.kind));
    if (this.#folded !== null) {
      const { model } = this.#folded;
      next.#folded = { model, sums: folded(model, copyOf(this.#folded.sums), entry, entry.atS) };
    }
    return next;
  }

  /** With the time of one behaviour corrected: all is counted anew in the order of the log, the rest as it was. */
  corrected(eventId: string, occurredAtS: number): Behaviours {
    if (!this.some(({ what }) => what.eventId === eventId && what.kind !== 'returned')) return this;
    return this.#rebuilt((what) => (what.eventId === eventId ? { ...what, occurredAtS } : what));
  }

  /** Without what an event brought; for a return that was voided. */
  without(eventId: string): Behaviours {
    if (!this.some(({ what }) => what.eventId === eventId)) return this;
    return this.#rebuilt((what) => (what.eventId === eventId ? null : what));
  }

  /** The sums at `atS`. What became available later counts as available then: an answer about the past, as it is known now. */
  sums(model: CompiledModel, atS: number): Sums {
    const beyond = this.latest !== null && this.latest.atS > atS;
    if (!beyond && this.#folded?.model === model) return this.#folded.sums;
    const sums = noSums(model);
    for (const entry of this.#inOrder()) folded(model, sums, entry, Math.min(entry.atS, atS));
    if (!beyond) this.#folded = { model, sums };
    return sums;
  }

  /** How often a kind occurred in the `withinS` seconds before `atS`, that instant included. */
  occurrences(kind: ScoredKind, withinS: number, atS: number): number {
    if ((this.kinds & bitOf(kind)) === 0) return 0;
    let found = 0;
    for (let entry = this.latest; entry !== null; entry = entry.previous) {
      const { what } = entry;
      if (what.kind === kind && what.occurredAtS > atS - withinS) found += what.count;
    }
    return found;
  }

  some(holds: (entry: Entry) => boolean): boolean {
    for (let entry = this.latest; entry !== null; entry = entry.previous) if (holds(entry)) return true;
    return false;
  }

  #inOrder(): Entry[] {
    const entries: Entry[] = [];
    for (let entry = this.latest; entry !== null; entry = entry.previous) entries.push(entry);
    return entries.reverse();
  }

  #rebuilt(change: (what: Behaviour | ReturnMark) => Behaviour | ReturnMark | null): Behaviours {
    let rebuilt = new Behaviours();
    for (const { what } of this.#inOrder()) {
      const changed = change(what);
      if (changed !== null) rebuilt = rebuilt.with(changed);
    }
    return rebuilt;
  }
}

/** Counts one entry into the sums, in place. */
function folded(model: CompiledModel, sums: Sums, { what }: Entry, atS: number): Sums {
  if (what.kind === 'returned') {
    if (model.document.onRecycled === 'reset_engagement') resetEngagement(model, sums);
    return sums;
  }
  for (const { rule, where } of model.byKind.get(what.kind) ?? []) {
    if (!where.every((predicate) => predicate.holds(valueOf(what, predicate.field)))) continue;
    count(model, sums, rule, { atS, occurredAtS: what.occurredAtS, count: what.count });
  }
  return sums;
}

const valueOf = (behaviour: Behaviour, field: BehaviourField): FactValue | undefined =>
  field === 'count' ? behaviour.count : behaviour.more?.[field];
