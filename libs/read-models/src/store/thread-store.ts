import type { Position } from '#libs/event-log/src/event-log.js';
import type { Op, PartRows, PartVersion, ReadStore, ReadView, ScoreRange } from './read-store.js';

type StoreMethod = 'activeVersion' | 'activate' | 'drop';
type ViewMethod = Exclude<keyof ReadView, 'name' | 'version'>;

/** What the thread that has the store answers; everything in it can be cloned. */
export interface StoreQuestions {
  store(method: StoreMethod, args: readonly unknown[]): Promise<unknown>;
  view(name: string, version: number, method: ViewMethod, args: readonly unknown[]): Promise<unknown>;
}

/** In the thread that has the store. */
export function storeAnswers(store: ReadStore): StoreQuestions {
  return {
    store: (method, args) => (store[method] as Asked).apply(store, [...args]),
    view(name, version, method, args) {
      const view = store.open(name, version);
      if (method !== 'partsBetween') return (view[method] as Asked).apply(view, [...args]);
      const [table, from, to, known] = args as [string, string, string, ReadonlyMap<string, PartVersion>];
      return view.partsBetween(table, from, to, (part) => known.get(part));
    },
  };
}

type Asked = (this: unknown, ...args: readonly unknown[]) => Promise<unknown>;

/** A read store that another thread has. For small questions: each is a message there and one back. */
export class ThreadStore implements ReadStore {
  readonly #views = new Map<string, ThreadView>();

  constructor(private readonly thread: StoreQuestions) {}

  open(name: string, version: number): ReadView {
    const id = `${name}@${version}`;
    const view = this.#views.get(id) ?? new ThreadView(name, version, this.thread);
    this.#views.set(id, view);
    return view;
  }

  activeVersion(name: string): Promise<number | null> {
    return this.thread.store('activeVersion', [name]) as Promise<number | null>;
  }

  async activate(name: string, version: number): Promise<void> {
    await this.thread.store('activate', [name, version]);
  }

  async drop(name: string, version: number): Promise<void> {
    this.#views.delete(`${name}@${version}`);
    await this.thread.store('drop', [name, version]);
  }

  /** Whoever opened the store closes it. */
  async close(): Promise<void> {}
}

class ThreadView implements ReadView {
  /** Partitions of which somebody here may know the version, by table. */
  readonly #seen = new Map<string, Set<string>>();

  constructor(
    readonly name: string,
    readonly version: number,
    private readonly thread: StoreQuestions,
  ) {}

  checkpoint(): Promise<Position | null> {
    return this.#ask('checkpoint', []);
  }

  reach(position: Position, withinMs: number): Promise<Position | null> {
    return this.#ask('reach', [position, withinMs]);
  }

  commit(from: Position | null, to: Position, ops: readonly Op[]): Promise<void> {
    return this.#ask('commit', [from, to, ops]);
  }

  get(table: string, part: string, keys: readonly string[]): Promise<(string | null)[]> {
    return this.#ask('get', [table, part, keys]);
  }

  rows(table: string, part: string): Promise<Map<string, string>> {
    return this.#ask('rows', [table, part]);
  }

  rowsBetween(table: string, fromPart: string, toPart: string): Promise<[string, string, string][]> {
    return this.#ask('rowsBetween', [table, fromPart, toPart]);
  }

  async partsBetween(
    table: string,
    fromPart: string,
    toPart: string,
    known: (part: string) => PartVersion | undefined,
  ): Promise<PartRows[]> {
    const seen = this.#seen.get(table) ?? new Set<string>();
    this.#seen.set(table, seen);
    const versions = new Map<string, PartVersion>();
    for (const part of seen) {
      const version = known(part);
      if (version !== undefined) versions.set(part, version);
    }
    const parts = await this.#ask<PartRows[]>('partsBetween', [table, fromPart, toPart, versions]);
    for (const { part } of parts) seen.add(part);
    return parts;
  }

  partitions(table: string): Promise<string[]> {
    return this.#ask('partitions', [table]);
  }

  scored(set: string, range?: ScoreRange): Promise<[string, number][]> {
    return this.#ask('scored', [set, range]);
  }

  counters(name: string): Promise<Map<string, number>> {
    return this.#ask('counters', [name]);
  }

  digest(): Promise<string> {
    return this.#ask('digest', []);
  }

  clear(): Promise<void> {
    return this.#ask('clear', []);
  }

  #ask<Answer>(method: ViewMethod, args: readonly unknown[]): Promise<Answer> {
    return this.thread.view(this.name, this.version, method, args) as Promise<Answer>;
  }
}
