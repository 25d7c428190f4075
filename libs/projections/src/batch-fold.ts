import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
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
  row: Row;
  before: readonly Fact[];
  /** Those folded in this batch, for going back to just before one that fails. */
  readonly events: RecordedEvent[];
  poison: { readonly event: RecordedEvent; readonly error: unknown } | null;
}

const SLICE_MS = 10;
const EVENTS_PER_LOOK_AT_THE_TIME = 32;
const ROWS_PER_LOOK_AT_THE_TIME = 32;

/**
 * Turns batches of events into net operations: rows from the cache or, in one multi-get, from the view; facts compared once
 * per entity and batch. Holds what the view will be once all folded batches are committed, so after a failed commit it
 * must be `reset`.
 */
export class BatchFold<Row> {
  private readonly rows = new Map<string, Row>();
  private readonly parked = new Map<string, ParkedEntity>();
  private isLogKnown = false;
  /** Events of parked entities passed over since the start. */
  skipped = 0;

  constructor(
    private readonly projection: Projection<Row>,
    private view: ReadView,
    private readonly cachedRows: number,
    /** Everything handed out before is in the view. */
    private readonly settled: () => Promise<void>,
  ) {}

  get parkedEntities(): ParkedEntity[] {
    return [...this.parked.values()];
  }

  /** Begins again from what the view holds. */
  async reset(view: ReadView): Promise<void> {
    this.view = view;
    this.rows.clear();
    this.parked.clear();
    for (const [entity, value] of await view.rows(PARKED_TABLE, RUNTIME_PARTITION)) {
      this.parked.set(entity, JSON.parse(value) as ParkedEntity);
    }
    this.isLogKnown = (await view.get(LOG_TABLE, RUNTIME_PARTITION, ['first']))[0] !== null;
  }

  async fold(events: readonly RecordedEvent[]): Promise<FoldedBatch> {
    const slices = new TimeSlices(SLICE_MS);
    const difference = new FactDifference();
    const { ops } = difference;
    const first = events[0];
    if (!this.isLogKnown && first !== undefined) {
      ops.push({ op: 'put', table: LOG_TABLE, part: RUNTIME_PARTITION, key: 'first', value: first.id });
      this.isLogKnown = true;
    }

    const touched = await this.touch(events, slices);
    let looked = 0;
    for (const each of touched.values()) {
      this.evolveAll(each);
      looked += each.events.length;
      if (looked >= EVENTS_PER_LOOK_AT_THE_TIME) {
        looked = 0;
        await slices.pause();
      }
    }

    const parked: ParkedEntity[] = [];
    for (const each of touched.values()) {
      let after: readonly Fact[] = each.before;
      let packed: string | null = null;
      if (each.poison === null) {
        try {
          after = this.projection.facts(each.row);
          packed = this.projection.pack(each.row);
        } catch (error) {
          each.poison = { event: each.events[each.events.length - 1] as RecordedEvent, error };
        }
      }
      if (each.poison !== null) {
        const good = await this.backToGood(each);
        after = good?.facts ?? each.before;
        packed = good?.packed ?? null;
        const record = parkedBy(each.entity, good?.poison ?? each.poison);
        parked.push(record);
        this.parked.set(each.entity, record);
        const value = JSON.stringify(record);
        ops.push({ op: 'put', table: PARKED_TABLE, part: RUNTIME_PARTITION, key: each.entity, value });
      }
      if (packed !== null) {
        ops.push({ op: 'put', table: ROW_TABLE, part: rowPartition(each.entity), key: each.entity, value: packed });
      }
      difference.add(each.before, after);
      looked += 1;
      if (looked >= EVENTS_PER_LOOK_AT_THE_TIME) {
        looked = 0;
        await slices.pause();
      }
    }
    return { ops: difference.finish(), events: events.length, parked, keep: () => this.keep(touched) };
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

  /** Sorts the batch by entity and brings every entity's row and facts. */
  private async touch(events: readonly RecordedEvent[], slices: TimeSlices): Promise<Map<string, Touched<Row>>> {
    const { projection, rows } = this;
    const perEntity = new Map<string, RecordedEvent[]>();
    const missing = new Map<string, string[]>();
    for (const event of events) {
      const entity = projection.entityOf(event);
      if (entity === null) continue;
      const known = perEntity.get(entity);
      if (known !== undefined) {
        known.push(event);
      } else if (this.parked.has(entity)) {
        this.skipped += 1;
      } else {
        perEntity.set(entity, [event]);
        if (!rows.has(entity)) {
          const part = rowPartition(entity);
          const keys = missing.get(part);
          if (keys === undefined) missing.set(part, [entity]);
          else keys.push(entity);
        }
      }
    }
    const stored = new Map<string, string>();
    await Promise.all(
      [...missing].map(async ([part, entities]) => {
        const values = await this.view.get(ROW_TABLE, part, entities);
        for (const [index, value] of values.entries()) if (value !== null) stored.set(entities[index] as string, value);
      }),
    );
    const touched = new Map<string, Touched<Row>>();
    for (const [entity, itsEvents] of perEntity) {
      if (touched.size % ROWS_PER_LOOK_AT_THE_TIME === 0) await slices.pause();
      try {
        const row = rows.get(entity) ?? projection.load(stored.get(entity) ?? null, entity);
        touched.set(entity, { entity, row, before: projection.facts(row), events: itsEvents, poison: null });
      } catch (error) {
        const poison = { event: itsEvents[0] as RecordedEvent, error };
        touched.set(entity, { entity, row: null as Row, before: [], events: itsEvents, poison });
      }
    }
    return touched;
  }

  private evolveAll(touched: Touched<Row>): void {
    if (touched.poison !== null) return;
    for (const [index, event] of touched.events.entries()) {
      try {
        touched.row = this.projection.evolve(touched.row, event);
      } catch (error) {
        touched.poison = { event, error };
        this.skipped += touched.events.length - index - 1;
        return;
      }
    }
  }

  /** The state just before the event that fails; null when not even the stored row can be read: then nothing changes. */
  private async backToGood(touched: Touched<Row>): Promise<CarefulState | null> {
    // The row in hand may be half changed; the view has it as of the batch before, once that is committed.
    await this.settled();
    const [stored = null] = await this.view.get(ROW_TABLE, rowPartition(touched.entity), [touched.entity]);
    try {
      return this.foldCarefully(stored, touched.entity, touched.events);
    } catch {
      return null;
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
  readonly poison: { readonly event: RecordedEvent; readonly error: unknown } | null;
}

function parkedBy(entity: string, { event, error }: { event: RecordedEvent; error: unknown }): ParkedEntity {
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
