/**
 * The instant a question is as of, and for which other instants the facts read so far answer it the same way: those that
 * have seen and not seen the same things happen.
 */
export class AsOf {
  #fromMs = -Infinity;
  #untilMs = Infinity;

  constructor(readonly ms: number) {}

  /** Every instant of a fact that is compared with `ms` is told here: later ones have not happened. */
  sees(atMs: number): void {
    if (atMs > this.ms) {
      if (atMs < this.#untilMs) this.#untilMs = atMs;
    } else if (atMs > this.#fromMs) this.#fromMs = atMs;
  }

  /** What a fact says changes with `ms` itself: an age, say. */
  isDecisive(): void {
    this.#fromMs = Infinity;
  }

  /** Begins anew with other facts. */
  take(): { readonly fromMs: number; readonly untilMs: number } {
    const span = { fromMs: this.#fromMs, untilMs: this.#untilMs };
    this.#fromMs = -Infinity;
    this.#untilMs = Infinity;
    return span;
  }
}
