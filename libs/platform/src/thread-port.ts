import type { MessagePort, Worker } from 'node:worker_threads';

/** What one side of a port answers: functions of what can be cloned, and of nothing else. */
export type Served<Calls> = Readonly<Record<keyof Calls, (...args: never[]) => unknown>>;
type Anything = Readonly<Record<string, (...args: never[]) => unknown>>;

type Message =
  | { readonly call: number | null; readonly name: string; readonly args: readonly unknown[] }
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly error: PackedError };

/** An error as it crosses: which class it was of, and its own members. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly members: Readonly<Record<string, unknown>>;
}

type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Calls between two threads over a message port, answered in whatever order they are done; messages arrive in the order in which they
 * were sent. An error comes out as what it was thrown as on the other side, if its class is among `errors`, else as a plain one.
 */
export class ThreadPort<Theirs extends Served<Theirs>> {
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: unknown) => void }>();
  readonly #errors: ReadonlyMap<string, ErrorClass>;
  #last = 0;
  #gone: Error | null = null;

  constructor(
    private readonly port: MessagePort | Worker,
    serves: object,
    errors: readonly ErrorClass[],
  ) {
    this.#errors = new Map(errors.map((known) => [known.name, known]));
    port.on('message', (message: Message) => {
      if ('call' in message) this.#serve(serves as Anything, message);
      else this.#settle(message);
    });
  }

  /** Answers and asks nothing. */
  static serve(port: MessagePort | Worker, serves: object): ThreadPort<object> {
    return new ThreadPort(port, serves, []);
  }

  /** What the other side's function of this name answers. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    ...args: Parameters<Theirs[Name]>
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    const call = (this.#last += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      try {
        this.#post({ call, name, args });
      } catch (error) {
        this.#waiting.delete(call);
        reject(error);
      }
    });
  }

  /** The same, without waiting for an answer. */
  tell<Name extends keyof Theirs & string>(name: Name, ...args: Parameters<Theirs[Name]>): void {
    if (this.#gone === null) this.#post({ call: null, name, args });
  }

  /** The other side is gone: whatever waits for it, and every later call, fails with this. */
  fail(error: Error): void {
    this.#gone = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #serve(serves: Anything, { args, call, name }: Extract<Message, { name: string }>): void {
    const asked = serves[name] as ((...args: readonly unknown[]) => unknown) | undefined;
    const answered = (async () => {
      if (asked === undefined) throw new Error(`nothing is called ${name} here`);
      return asked(...args);
    })();
    if (call === null) return;
    void answered
      .then((value) => this.#post({ answer: call, value }))
      // Also when the answer cannot be cloned.
      .catch((error: unknown) => this.#post({ answer: call, error: packedError(error) }));
  }

  #settle(message: Exclude<Message, { name: string }>): void {
    const waiting = this.#waiting.get(message.answer);
    this.#waiting.delete(message.answer);
    if ('error' in message) waiting?.reject(unpackedError(message.error, this.#errors));
    else waiting?.resolve(message.value as never);
  }

  #post(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
    this.port.postMessage(message);
  }
}

export function packedError(error: unknown): PackedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, members: {} };
  return { name: error.name, message: error.message, stack: error.stack, members: membersOf(error) };
}

export function unpackedError(
  { members, message, name, stack }: PackedError,
  known: ReadonlyMap<string, ErrorClass> = new Map(),
): Error {
  const error = Object.assign(new Error(message), members, { name });
  if (stack !== undefined) error.stack = stack;
  const its = known.get(name);
  return its === undefined ? error : (Object.setPrototypeOf(error, its.prototype as object) as Error);
}

function membersOf(error: Error): Record<string, unknown> {
  try {
    return structuredClone(Object.fromEntries(Object.entries(error).filter(([name]) => name !== 'cause')));
  } catch {
    // Somebody's error holds what cannot be cloned: its name and message are told.
    return {};
  }
}
