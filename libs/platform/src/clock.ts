/** The only source of "now". Everything that needs the time is given a clock; nothing else reads the machine's. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
}

export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }
}

/** Stands still until it is set (contract: `LEDGER_TEST_CLOCK=1`). Begins at the machine's time unless told otherwise. */
export class TestClock implements Clock {
  #nowMs: number;
  #wasSet: boolean;

  constructor(nowMs?: number) {
    this.#nowMs = nowMs ?? Date.now();
    this.#wasSet = nowMs !== undefined;
  }

  /** False while it still stands at the machine's time: the first setting may go anywhere, later ones only forwards. */
  get wasSet(): boolean {
    return this.#wasSet;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#wasSet = true;
  }
}

/** RFC 3339 UTC with milliseconds, the one form of an instant in events and answers. */
export function toIso(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
/** One command asks for the same instant many times. */
let lastMs = 0;
let lastIso = new Date(0).toISOString();
