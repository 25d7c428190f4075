import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Position } from '#libs/event-log/src/event-log.js';
import { contentDigest, type Content } from './content-digest.js';
import { capturedMap, eachCaptured, Partition, type SealedRows } from './partition.js';
import {
  CheckpointMoved,
  type Op,
  type PartRows,
  type PartVersion,
  type ReadStore,
  type ReadView,
  type ScoreRange,
} from './read-store.js';
import { ScoreSet, type Scored } from './score-set.js';
import { readSnapshot, SnapshotUnreadable, syncDirectory, writeSnapshot, type SnapshotBlock } from './snapshot-file.js';
import { TimeSlices } from './time-slices.js';

export interface MemoryStoreOptions {
  /** Where snapshots live; without it everything is gone when the process ends. */
  readonly directory?: string;
  /** How often what changed is written (default 60 s); a slow disk is given 30 times the last write's length at least. */
  readonly snapshotEveryMs?: number;
  /** A snapshot that was ignored or could not be written, and why: for the log. The store goes on. */
  readonly onProblem?: (problem: { readonly file: string; readonly reason: string }) => void;
}

const ENTRIES_PER_BLOCK = 5_000;
const SLICE_MS = 8;

/** Read views in this process, with one snapshot file each. Disposable: a lost or damaged file means a longer catch-up. */
export class MemoryStore implements ReadStore {
  private readonly views = new Map<string, MemoryView>();
  private active: Promise<Map<string, number>> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(private readonly options: MemoryStoreOptions = {}) {
    if (options.directory !== undefined) this.schedule(options.snapshotEveryMs ?? 60_000);
  }

  open(name: string, version: number): MemoryView {
    const id = `${name}@${version}`;
    let view = this.views.get(id);
    if (view === undefined) {
      const { directory } = this.options;
      const file = directory === undefined ? null : join(directory, `${id}.snapshot`);
      view = new MemoryView(name, version, file, (reason) => this.options.onProblem?.({ file: file ?? id, reason }));
      this.views.set(id, view);
    }
    return view;
  }

  async activeVersion(name: string): Promise<number | null> {
    return (await this.loadActive()).get(name) ?? null;
  }

  async activate(name: string, version: number): Promise<void> {
    const active = await this.loadActive();
    active.set(name, version);
    const { directory } = this.options;
    if (directory === undefined) return;
    await mkdir(directory, { recursive: true });
    const file = join(directory, 'active.json');
    await writeFile(`${file}.tmp`, JSON.stringify(Object.fromEntries(active)), { flush: true });
    await rename(`${file}.tmp`, file);
    await syncDirectory(directory);
  }

  async drop(name: string, version: number): Promise<void> {
    const id = `${name}@${version}`;
    const view = this.open(name, version);
    this.views.delete(id);
    await view.discard();
  }

  /** Writes every view that changed since its last snapshot; one at a time. */
  async snapshot(): Promise<void> {
    const { directory } = this.options;
    if (directory === undefined) return;
    const write = this.writing.then(async () => {
      await mkdir(directory, { recursive: true });
      for (const view of this.views.values()) await view.writeSnapshot();
    });
    this.writing = write.catch(() => undefined);
    await write;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.trySnapshot();
  }

  private schedule(delayMs: number): void {
    if (this.isClosed) return;
    this.timer = setTimeout(() => {
      const startedMs = performance.now();
      void this.trySnapshot().then(() =>
        this.schedule(Math.max(this.options.snapshotEveryMs ?? 60_000, 30 * (performance.now() - startedMs))),
      );
    }, delayMs);
    this.timer.unref();
  }

  private async trySnapshot(): Promise<void> {
    try {
      await this.snapshot();
    } catch (error) {
      this.options.onProblem?.({ file: this.options.directory ?? '', reason: `not written: ${String(error)}` });
    }
  }

  private loadActive(): Promise<Map<string, number>> {
    this.active ??= this.readActive();
    return this.active;
  }

  private async readActive(): Promise<Map<string, number>> {
    const { directory } = this.options;
    if (directory === undefined) return new Map();
    const file = join(directory, 'active.json');
    try {
      return new Map(Object.entries(JSON.parse(await readFile(file, 'utf8')) as Record<string, number>));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.options.onProblem?.({ file, reason: String(error) });
      return new Map();
    }
  }
}

interface FrozenContent {
  readonly partitions: {
    readonly table: string;
    readonly part: string;
    readonly partition: Partition;
    /** Null: has changes that `seal` is yet to fold in. */
    readonly rows: SealedRows | null;
  }[];
  readonly scores: { readonly set: string; readonly entries: readonly Scored[] }[];
  readonly counters: { readonly counters: string; readonly entries: readonly [string, number][] }[];
}

class MemoryView implements ReadView, Content {
  private readonly parts = new Map<string, Map<string, Partition>>();
  private readonly scores = new Map<string, ScoreSet>();
  private readonly counts = new Map<string, Map<string, number>>();
  private position: Position | null = null;
  private waiting: { readonly position: Position; readonly reached: () => void }[] = [];
  /** Partitions with many loose changes. */
  private readonly foldDue = new Set<Partition>();
  private isDirty = false;
  private isDiscarded = false;
  private isSnapshotting = false;
  private readonly loaded: Promise<void>;

  constructor(
    readonly name: string,
    readonly version: number,
    private readonly file: string | null,
    private readonly report: (reason: string) => void,
  ) {
    this.loaded = file === null ? Promise.resolve() : this.load(file);
  }

  async checkpoint(): Promise<Position | null> {
    await this.loaded;
    return this.position;
  }

  async reach(position: Position, withinMs: number): Promise<Position | null> {
    await this.loaded;
    if (this.position !== null && this.position >= position) return this.position;
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        this.waiting = this.waiting.filter((other) => other !== waiter);
        resolve();
      }, withinMs);
      const waiter = {
        position,
        reached: () => {
          clearTimeout(late);
          resolve();
        },
      };
      this.waiting.push(waiter);
    });
    return this.position;
  }

  async commit(from: Position | null, to: Position, ops: readonly Op[]): Promise<void> {
    await this.loaded;
    if (this.position !== from) throw new CheckpointMoved(from, this.position);
    for (const op of ops) this.apply(op);
    this.position = to;
    this.isDirty = true;
    if (this.waiting.length > 0) this.tellReached(to);
    if (this.foldDue.size > 0) await this.foldInSlices();
  }

  async get(table: string, part: string, keys: readonly string[]): Promise<(string | null)[]> {
    await this.loaded;
    const partition = this.parts.get(table)?.get(part);
    return keys.map((key) => partition?.get(key) ?? null);
  }

  async rows(table: string, part: string): Promise<Map<string, string>> {
    await this.loaded;
    const partition = this.parts.get(table)?.get(part);
    return partition === undefined ? new Map<string, string>() : capturedMap(partition.capture());
  }

  async partsBetween(
    table: string,
    fromPart: string,
    toPart: string,
    known: (part: string) => PartVersion | undefined,
  ): Promise<PartRows[]> {
    await this.loaded;
    const captured = this.between(table, fromPart, toPart).map(([part, partition]) => {
      const { version } = partition;
      return { part, version, rows: known(part) === version ? null : partition.capture() };
    });
    const slices = new TimeSlices(SLICE_MS);
    const found: PartRows[] = [];
    for (const { part, rows, version } of captured) {
      if (rows === null) {
        found.push({ part, version, rows });
        continue;
      }
      const list: [string, string][] = [];
      eachCaptured(rows, (key, value) => list.push([key, value]));
      found.push({ part, version, rows: list });
      await slices.pause();
    }
    return found;
  }

  async rowsBetween(table: string, fromPart: string, toPart: string): Promise<[string, string, string][]> {
    await this.loaded;
    const captured = this.between(table, fromPart, toPart).map(([part, partition]) => ({
      part,
      rows: partition.capture(),
    }));
    const slices = new TimeSlices(SLICE_MS);
    const found: [string, string, string][] = [];
    for (const { part, rows } of captured) {
      eachCaptured(rows, (key, value) => found.push([part, key, value]));
      await slices.pause();
    }
    return found;
  }

  async partitions(table: string): Promise<string[]> {
    await this.loaded;
    const parts = this.parts.get(table) ?? new Map<string, Partition>();
    const found: string[] = [];
    for (const [part, partition] of parts) if (!partition.isEmpty()) found.push(part);
    return found.sort();
  }

  async scored(set: string, range?: ScoreRange): Promise<[string, number][]> {
    await this.loaded;
    return this.scores.get(set)?.range(range) ?? [];
  }

  async counters(name: string): Promise<Map<string, number>> {
    await this.loaded;
    return new Map(this.counts.get(name));
  }

  async digest(): Promise<string> {
    await this.loaded;
    return contentDigest(this);
  }

  async tables(): Promise<string[]> {
    return [...this.parts.keys()];
  }

  async sets(): Promise<string[]> {
    return [...this.scores.keys()];
  }

  async counterNames(): Promise<string[]> {
    return [...this.counts.keys()];
  }

  /** Nothing happens when nothing changed. The content is that of one instant; writes go on meanwhile. */
  async writeSnapshot(): Promise<void> {
    await this.loaded;
    if (this.file === null || !this.isDirty || this.isDiscarded || this.isSnapshotting) return;
    this.isSnapshotting = true;
    this.isDirty = false;
    const trailer = { checkpoint: this.position };
    const frozen = this.freeze();
    try {
      await writeSnapshot(this.file, this.blocksOf(frozen), trailer);
      if (this.isDiscarded) await rm(this.file, { force: true });
    } catch (error) {
      this.isDirty = true;
      throw error;
    } finally {
      // Whatever was not written (the disk was full, say) is thawed all the same.
      for (const { partition } of frozen.partitions) partition.seal();
      this.isSnapshotting = false;
    }
  }

  async clear(): Promise<void> {
    await this.loaded;
    this.forget();
    this.isDirty = true;
  }

  /** The view is dropped: empty, and never written again. */
  async discard(): Promise<void> {
    await this.loaded;
    this.isDiscarded = true;
    this.forget();
    if (this.file !== null) await rm(this.file, { force: true });
  }

  private apply(op: Op): void {
    switch (op.op) {
      case 'put':
        this.changed(this.partition(op.table, op.part)).put(op.key, op.value);
        return;
      case 'del':
        this.changed(this.partition(op.table, op.part)).delete(op.key);
        return;
      case 'score':
        entry(this.scores, op.set, () => new ScoreSet()).put(op.member, op.score);
        return;
      case 'unscore':
        this.scores.get(op.set)?.delete(op.member);
        return;
      case 'add': {
        const counters = entry(this.counts, op.counters, () => new Map<string, number>());
        const sum = (counters.get(op.key) ?? 0) + op.by;
        if (sum === 0) counters.delete(op.key);
        else counters.set(op.key, sum);
        return;
      }
      default:
        op satisfies never;
    }
  }

  private tellReached(to: Position): void {
    const { waiting } = this;
    this.waiting = waiting.filter(({ position }) => position > to);
    for (const { position, reached } of waiting) if (position <= to) reached();
  }

  private between(table: string, fromPart: string, toPart: string): [part: string, partition: Partition][] {
    return [...(this.parts.get(table) ?? [])]
      .filter(([part]) => part >= fromPart && part <= toPart)
      .sort(([left], [right]) => (left < right ? -1 : 1));
  }

  private changed(partition: Partition): Partition {
    if (partition.isFoldDue) this.foldDue.add(partition);
    return partition;
  }

  /** Content does not change by it, so it need not be part of the commit's one step. */
  private async foldInSlices(): Promise<void> {
    const slices = new TimeSlices(SLICE_MS);
    for (const partition of this.foldDue) {
      this.foldDue.delete(partition);
      partition.fold();
      await slices.pause();
    }
  }

  private partition(table: string, part: string): Partition {
    const parts = entry(this.parts, table, () => new Map<string, Partition>());
    return entry(parts, part, () => new Partition());
  }

  /** Sets the content of this instant aside; takes about a millisecond, the copying comes later in slices. */
  private freeze(): FrozenContent {
    const partitions: FrozenContent['partitions'] = [];
    for (const [table, parts] of this.parts) {
      for (const [part, partition] of parts) partitions.push({ table, part, partition, rows: partition.freeze() });
    }
    return {
      partitions,
      scores: [...this.scores].map(([set, members]) => ({ set, entries: members.entries() })),
      counters: [...this.counts].map(([counters, values]) => ({ counters, entries: [...values] })),
    };
  }

  private async *blocksOf({ partitions, scores, counters }: FrozenContent): AsyncGenerator<SnapshotBlock> {
    for (const { set, entries } of scores) {
      for (const some of inBlocks(entries)) yield { kind: 'scores', set, entries: some };
    }
    for (const { counters: name, entries } of counters) {
      for (const some of inBlocks(entries)) yield { kind: 'counters', counters: name, entries: some };
    }
    const slices = new TimeSlices(SLICE_MS);
    for (const { table, part, partition, rows } of partitions) {
      const sealed = rows ?? partition.seal();
      if (sealed.count > 0) yield { kind: 'rows', table, part, rows: sealed };
      else this.forgetEmpty(table, part, partition);
      await slices.pause();
    }
  }

  private forgetEmpty(table: string, part: string, partition: Partition): void {
    if (partition.isEmpty() && this.parts.get(table)?.get(part) === partition) this.parts.get(table)?.delete(part);
  }

  private async load(file: string): Promise<void> {
    try {
      const { blocks, trailer } = await readSnapshot(file);
      const scored = new Map<string, { member: string; score: number }[]>();
      for (const block of blocks) {
        if (block.kind === 'rows') {
          entry(this.parts, block.table, () => new Map<string, Partition>()).set(block.part, new Partition(block.rows));
        } else if (block.kind === 'scores') {
          entry(scored, block.set, () => []).push(...block.entries);
        } else {
          const counters = entry(this.counts, block.counters, () => new Map<string, number>());
          for (const [key, value] of block.entries) counters.set(key, value);
        }
      }
      for (const [set, entries] of scored) this.scores.set(set, ScoreSet.of(entries));
      this.position = trailer.checkpoint;
    } catch (error) {
      this.forget();
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      const reason = error instanceof SnapshotUnreadable ? error.reason : String(error);
      this.report(`snapshot ignored, starting from zero: ${reason}`);
    }
  }

  private forget(): void {
    this.position = null;
    this.parts.clear();
    this.scores.clear();
    this.counts.clear();
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function* inBlocks<T>(entries: readonly T[]): Generator<T[]> {
  for (let at = 0; at < entries.length; at += ENTRIES_PER_BLOCK) yield entries.slice(at, at + ENTRIES_PER_BLOCK);
}
