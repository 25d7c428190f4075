import type { Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { Op, ReadView } from '#libs/read-models/src/store/read-store.js';
import { TimeSlices } from '#libs/read-models/src/store/time-slices.js';
import { FactDifference } from './fact-difference.js';
import {
  LOG_TABLE,
  PARKED_TABLE,
  ROW_TABLE,
  rowPartition,
  RUNTIME_PARTITION,
  type Fact,
  type Projection,
} from './projection.js';

/** An entity whose events cannot be folded: its facts stand as of the event before `eventId`. */
export interface ParkedEntity {
  readonly entity: string;
  readonly stream: string;
  readonly eventId: string;
  readonly type: string;
  readonly revision: number;
  readonly position: string;
  readonly error: string;
}

export interface FoldedBatch {
  readonly ops: Op[];
  readonly events: number;
  readonly parked: readonly ParkedEntity[];
  /** Puts the rows of this batch into the cache; call once the batch before it is committed. */
  keep(): void;
}

/** One entity inside one batch. */
interface Touched<Row> {
  readonly entity: string;
  readonly stream: string;
  row: Row;
  before: readonly Fact[];
  poison: Poison | null;
}

interface Poison {
  readonly event: RecordedEvent;
  readonly error: unknown;
}

const SLICE_MS = 8;
const EVENTS_PER_LOOK_AT_THE_TIME = 32;
const ROWS_PER_LOOK_AT_THE_TIME = 32;

/**
 * Turns events into net operations: `take` folds some into the rows of their entities, which come from the cache or, in one
 * multi-get, from the view; `finish` compares the facts of every entity touched since the last one. Events are not kept: they die
 * young, and the garbage collector has nothing to copy. Holds what the view will be once all that was handed out is
 * committed, so after a failed commit it must be `reset`.
 */
export class BatchFold<Row> {
  private readonly rows = new Map<string, Row>();
  private readonly parked = new Map<string, ParkedEntity>();
  private touched = new Map<string, Touched<Row>>();
  /** One for all steps: what the others of this turn took counts too. */
  private readonly slices = new TimeSlices(SLICE_MS);
  private taken = 0;
  private firstEverId: string | null = null;
  private isLogKnown = false;
  /** Events of parked entities passed over since the start. */
  skipped = 0;

  constructor(
    private readonly projection: Projection<Row>,
    private view: ReadView,
    private readonly cachedRows: number,
    /** Everything handed out before is in the view. */
    private readonly settled: () => Promise<void>,
    private readonly history: (stream: string) => Promise<readonly RecordedEvent[]>,
  ) {}

  get parkedEntities(): ParkedEntity[] {
    return [...this.parked.values()];
  }

  /** Begins again from what the view holds. */
  async reset(view: ReadView): Promise<void> {
    this.view = view;
    this.rows.clear();
    this.parked.clear();
    this.touched = new Map();
    this.taken = 0;
    this.firstEverId = null;
    for (const [entity, value] of await view.rows(PARKED_TABLE, RUNTIME_PARTITION)) {
      this.parked.set(entity, JSON.parse(value) as ParkedEntity);
    }
    this.isLogKnown = (await view.get(LOG_TABLE, RUNTIME_PARTITION, ['first']))[0] !== null;
  }

  /** Events taken since the last `finish`. */
  get size(): number {
    return this.taken;
  }

  async take(events: readonly RecordedEvent[]): Promise<void> {
    const first = events[0];
    if (!this.isLogKnown && first !== undefined) {
      this.firstEverId = first.id;
      this.isLogKnown = true;
    }
    this.taken += events.length;
    await this.touch(events);
    let looked = 0;
    for (const event of events) {
      const entity = this.projection.entityOf(event);
      if (entity === null) continue;
      const touched = this.touched.get(entity);
      if (touched === undefined || touched.poison !== null) {
        this.skipped += touched?.poison?.event === event ? 0 : 1;
      } else {
        try {
          touched.row = this.projection.evolve(touched.row, event);
        } catch (error) {
          touched.poison = { event, error };
        }
      }
      looked += 1;
      if (looked % EVENTS_PER_LOOK_AT_THE_TIME === 0) await this.slices.pause();
    }
  }

  /** Net operations of all events taken: those after `from` up to `to`. */
  async finish(from: Position | null, to: Position): Promise<FoldedBatch> {
    const { touched, taken } = this;
    this.touched = new Map();
    this.taken = 0;
    const difference = new FactDifference();
    const { ops } = difference;
    if (this.firstEverId !== null) {
      ops.push({ op: 'put', table: LOG_TABLE, part: RUNTIME_PARTITION, key: 'first', value: this.firstEverId });
      this.firstEverId = null;
    }
    const parked: ParkedEntity[] = [];
    let looked = 0;
    for (const each of touched.values()) {
      let after: readonly Fact[];
      let packed: string | null;
      try {
        if (each.poison !== null) throw each.poison.error;
        after = this.projection.facts(each.row);
        packed = this.projection.pack(each.row);
      } catch {
        const good = await this.backToGood(each, from, to);
        ({ facts: after, packed } = good);
        // A row that is not kept is read from the view the next time.
        each.poison = good.poison;
        this.rows.delete(each.entity);
        if (good.poison === null) {
          each.row = this.projection.load(packed, each.entity);
        } else {
          const record = parkedBy(each.entity, good.poison);
          parked.push(record);
          this.parked.set(each.entity, record);
          const value = JSON.stringify(record);
          ops.push({ op: 'put', table: PARKED_TABLE, part: RUNTIME_PARTITION, key: each.entity, value });
        }
      }
      if (packed !== null) {
        ops.push({ op: 'put', table: ROW_TABLE, part: rowPartition(each.entity), key: each.entity, value: packed });
      }
      difference.add(each.before, after);
      looked += 1;
      if (looked % EVENTS_PER_LOOK_AT_THE_TIME === 0) await this.slices.pause();
    }
    await this.slices.pause();
    return { ops: difference.finish(), events: taken, parked, keep: () => this.keep(touched) };
  }

  /**
   * Folds a parked entity anew from its whole history so far; `stillPoisoned` when that fails again (it is then parked at
   * that event). The operations are to be committed before anything else is folded.
   */
  async refold(
    parked: ParkedEntity,
    history: readonly RecordedEvent[],
  ): Promise<{ ops: Op[]; stillPoisoned: ParkedEntity | null }> {
    const { projection } = this;
    const { entity } = parked;
    const part = rowPartition(entity);
    const [stored] = await this.view.get(ROW_TABLE, part, [entity]);
    const before = stored === null || stored === undefined ? [] : projection.facts(projection.load(stored, entity));
    const state = this.foldCarefully(null, entity, history);
    const difference = new FactDifference();
    difference.add(before, state.facts);
    const ops = difference.finish();
    if (state.packed !== null) ops.push({ op: 'put', table: ROW_TABLE, part, key: entity, value: state.packed });
    this.rows.delete(entity);
    const stillPoisoned = state.poison === null ? null : parkedBy(entity, state.poison);
    if (stillPoisoned === null) {
      this.parked.delete(entity);
      ops.push({ op: 'del', table: PARKED_TABLE, part: RUNTIME_PARTITION, key: entity });
    } else {
      this.parked.set(entity, stillPoisoned);
      const value = JSON.stringify(stillPoisoned);
      ops.push({ op: 'put', table: PARKED_TABLE, part: RUNTIME_PARTITION, key: entity, value });
    }
    return { ops, stillPoisoned };
  }

  /** Brings row and facts of every entity of these events that this batch has not touched yet. */
  private async touch(events: readonly RecordedEvent[]): Promise<void> {
    const { projection, rows, touched } = this;
    const fresh = new Map<string, RecordedEvent>();
    const missing = new Map<string, string[]>();
    for (const event of events) {
      const entity = projection.entityOf(event);
      if (entity === null || touched.has(entity) || fresh.has(entity) || this.parked.has(entity)) continue;
      fresh.set(entity, event);
      if (rows.has(entity)) continue;
      const part = rowPartition(entity);
      const keys = missing.get(part);
      if (keys === undefined) missing.set(part, [entity]);
      else keys.push(entity);
    }
    const stored = new Map<string, string>();
    await Promise.all(
      [...missing].map(async ([part, entities]) => {
        const values = await this.view.get(ROW_TABLE, part, entities);
        for (const [index, value] of values.entries()) if (value !== null) stored.set(entities[index] as string, value);
      }),
    );
    for (const [entity, event] of fresh) {
      if (touched.size % ROWS_PER_LOOK_AT_THE_TIME === 0) await this.slices.pause();
      const { stream } = event;
      try {
        const row = rows.get(entity) ?? projection.load(stored.get(entity) ?? null, entity);
        touched.set(entity, { entity, stream, row, before: projection.facts(row), poison: null });
      } catch (error) {
        touched.set(entity, { entity, stream, row: null as Row, before: [], poison: { event, error } });
      }
    }
  }

  /** The state just before the event that fails; nothing changes when not even the stored row can be read. */
  private async backToGood(touched: Touched<Row>, from: Position | null, to: Position): Promise<CarefulState> {
    // The row in hand may be half changed; the view has it as of the batch before, once that is committed.
    await this.settled();
    const [stored = null] = await this.view.get(ROW_TABLE, rowPartition(touched.entity), [touched.entity]);
    const history = await this.history(touched.stream);
    const batch = history.filter(({ position }) => (from === null || position > from) && position <= to);
    try {
      return this.foldCarefully(stored, touched.entity, batch);
    } catch (error) {
      const poison = touched.poison ?? { event: batch[0] as RecordedEvent, error };
      return { facts: touched.before, packed: null, poison };
    }
  }

  /** One event at a time, facts and all; stops before the first that fails. Throws when the start itself fails. */
  private foldCarefully(stored: string | null, entity: string, events: readonly RecordedEvent[]): CarefulState {
    const { projection } = this;
    let row = projection.load(stored, entity);
    let state: CarefulState = { facts: projection.facts(row), packed: stored, poison: null };
    for (const event of events) {
      try {
        row = projection.evolve(row, event);
        state = { facts: projection.facts(row), packed: projection.pack(row), poison: null };
      } catch (error) {
        return { ...state, poison: { event, error } };
      }
    }
    return state;
  }

  private keep(touched: ReadonlyMap<string, Touched<Row>>): void {
    const { rows } = this;
    for (const { entity, row, poison } of touched.values()) {
      rows.delete(entity);
      if (poison === null) rows.set(entity, row);
    }
    // What this batch touched stays until it is committed, and that is before the next call.
    let excess = rows.size - Math.max(this.cachedRows, touched.size);
    for (const entity of rows.keys()) {
      if (excess <= 0) break;
      rows.delete(entity);
      excess -= 1;
    }
  }
}

interface CarefulState {
  readonly facts: readonly Fact[];
  readonly packed: string | null;
  readonly poison: Poison | null;
}

function parkedBy(entity: string, { event, error }: Poison): ParkedEntity {
  return {
    entity,
    stream: event.stream,
    eventId: event.id,
    type: event.type,
    revision: event.revision,
    position: event.position,
    error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  };
}
