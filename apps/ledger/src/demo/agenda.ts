import type { Life, Step } from './act.js';
import { Heap } from './heap.js';

export interface Entry {
  readonly name: string;
  readonly life: Life;
  readonly step: Step;
  /** Steps of this life before. */
  readonly count: number;
}

/** What is to happen, first things first; what is due at the same moment in the order in which it was entered. */
export class Agenda {
  readonly #entries = new Heap<{ readonly entry: Entry; readonly order: number }>(
    (a, b) => a.entry.step.atMs < b.entry.step.atMs || (a.entry.step.atMs === b.entry.step.atMs && a.order < b.order),
  );
  #order = 0;

  get first(): Entry | undefined {
    return this.#entries.first?.entry;
  }

  add(entry: Entry): void {
    this.#entries.push({ entry, order: this.#order++ });
  }

  take(): Entry | undefined {
    return this.#entries.pop()?.entry;
  }
}
