import type { CompiledModel } from './compile.js';
import type { Facts } from './facts.js';
import { fitOf, type Fit } from './score.js';

/** What was made of a lead's facts, good for as long as they stay as they are: a cache, and never more than that. */
export class FitMemo {
  #facts: Facts | null = null;
  #fit: { readonly model: CompiledModel; readonly fit: Fit } | null = null;

  of(model: CompiledModel, factsNow: () => Facts): { readonly facts: Facts; readonly fit: Fit } {
    this.#facts ??= factsNow();
    if (this.#fit?.model !== model) this.#fit = { model, fit: fitOf(model, this.#facts) };
    return { facts: this.#facts, fit: this.#fit.fit };
  }
}
