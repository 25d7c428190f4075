import type { EventLog } from '#libs/event-log/src/event-log.js';

/** mulberry32: everything that is random in a run follows from its seed. */
export function seededRandom(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Decides in which order several processes get on. Each of their calls to the log waits twice for its turn: until it takes
 * effect, and until its answer arrives; whose turn it is, the seed says. Between two turns everybody runs as far as he can.
 */
export class SeededSteps {
  readonly #waiting: (() => Promise<void>)[] = [];

  constructor(
    private readonly random: () => number,
    /** Between two turns, e.g. to let time pass. */
    private readonly between: () => void = () => undefined,
  ) {}

  /** The log as one process sees it. */
  log(target: EventLog): EventLog {
    return new Proxy(target, {
      get: (log, property) => {
        const value = Reflect.get(log, property) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(log) as (...given: unknown[]) => Promise<unknown>;
        return ['append', 'appendMany', 'appendBehind', 'readStream'].includes(String(property))
          ? (...given: unknown[]) => this.#inTurns(() => call(...given))
          : call;
      },
    });
  }

  /** Runs until all are done; how many turns it took. */
  async run(processes: readonly Promise<unknown>[]): Promise<number> {
    let running = true;
    const done = Promise.allSettled(processes).finally(() => (running = false));
    let turns = 0;
    while (running) {
      await settled();
      const next = this.#waiting.splice(Math.floor(this.random() * this.#waiting.length), 1)[0];
      if (next === undefined) continue;
      turns += 1;
      await next();
      this.between();
    }
    await done;
    return turns;
  }

  #inTurns<Result>(act: () => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push(async () => {
        const outcome = await act().then(
          (result) => () => resolve(result),
          (error: unknown) => () => reject(error),
        );
        this.#waiting.push(() => {
          outcome();
          return Promise.resolve();
        });
      });
    });
  }
}

/** Everybody has come to his next call of the log (or to his end): nothing else here waits for anything but promises. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
