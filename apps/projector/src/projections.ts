import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import type { ParkedEntity } from '#libs/projections/src/batch-fold.js';
import { type Lag, Projector, type ProjectorNotice } from '#libs/projections/src/projector.js';
import { openLiveView, rebuild, type RebuildReport } from '#libs/projections/src/rebuild.js';
import { SystemClock, toIso, type Clock } from '#libs/platform/src/clock.js';
import type { PlainLogger } from '#libs/platform/src/logging.js';
import { Problem } from '#libs/platform/src/problem.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import type { LeadRow } from '#libs/read-models/src/lead-row.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';

const { name } = funnelProjection;

export interface ProjectionStatus {
  readonly name: string;
  readonly version: number | null;
  readonly position: Position | null;
  readonly head: Position | null;
  readonly lag: Lag | null;
  readonly parked: number;
  readonly eventsFolded: number;
  readonly commits: number;
  readonly rebuild: RebuildStatus | null;
}

export interface RebuildStatus {
  readonly status: 'running' | 'done' | 'failed';
  readonly startedAt: string;
  readonly report: RebuildReport | null;
  readonly error: string | null;
}

/** How the projections are, and what an operator may do to them: of this thread, or of the one that runs them. */
export interface Projections {
  list(): Promise<readonly ProjectionStatus[]>;
  lags(): Promise<readonly (Lag & { readonly view: string; readonly parked: number })[]>;
  parked(projection: string): Promise<readonly ParkedEntity[]>;
  /** Folds a parked lead again. True: it goes on; false: it fails still. */
  retry(projection: string, entity: string): Promise<boolean>;
  /** Begins a rebuild beside the live view, unless one runs; answers when it is through or after `waitMs`. */
  rebuild(projection: string, waitMs: number): Promise<RebuildStatus>;
}

export interface ProjectionsOptions {
  readonly log: EventLog;
  readonly store: ReadStore;
  readonly clock: Clock;
  readonly logger: PlainLogger;
}

/** The projections that run here: one so far. */
export class RunningProjections implements Projections {
  readonly #machine = new SystemClock();
  #live: Projector<LeadRow> | null = null;
  #rebuild: RebuildStatus | null = null;
  #rebuilding: Promise<void> = Promise.resolve();

  constructor(private readonly options: ProjectionsOptions) {}

  async start(): Promise<void> {
    const { clock, log, store } = this.options;
    this.#live = new Projector({
      projection: funnelProjection,
      log,
      view: await openLiveView(store, funnelProjection),
      clock,
      onNotice: (notice) => this.#tell(notice),
    });
    this.#live.start();
  }

  async stop(): Promise<void> {
    await this.#live?.stop();
  }

  async list(): Promise<readonly ProjectionStatus[]> {
    const projector = this.#projector(name);
    const { log, store } = this.options;
    return [
      {
        name,
        version: await store.activeVersion(name),
        position: projector.checkpoint,
        head: await log.head().catch((): Position | null => null),
        lag: await projector.lag().catch(() => null),
        parked: projector.parked.length,
        eventsFolded: projector.stats.events,
        commits: projector.stats.commits,
        rebuild: this.#rebuild,
      },
    ];
  }

  async lags() {
    const projector = this.#projector(name);
    return [{ view: name, ...(await projector.lag()), parked: projector.parked.length }];
  }

  async parked(projection: string): Promise<readonly ParkedEntity[]> {
    return this.#projector(projection).parked;
  }

  async retry(projection: string, entity: string): Promise<boolean> {
    const projector = this.#projector(projection);
    if (!projector.parked.some((parked) => parked.entity === entity))
      throw new Problem('NOT_FOUND', `${entity} is not parked`);
    return projector.unpark(entity);
  }

  async rebuild(projection: string, waitMs: number): Promise<RebuildStatus> {
    const live = this.#projector(projection);
    const { clock, log, logger, store } = this.options;
    if (this.#rebuild?.status !== 'running') {
      const startedAt = toIso(this.#machine.nowMs());
      this.#rebuild = { status: 'running', startedAt, report: null, error: null };
      this.#rebuilding = rebuild({ projection: funnelProjection, log, store, clock, live }).then(
        (report) => {
          this.#rebuild = { status: 'done', startedAt, report, error: null };
          logger[report.equal ? 'info' : 'error'](report, 'rebuilt');
        },
        (error: unknown) => {
          this.#rebuild = { status: 'failed', startedAt, report: null, error: (error as Error).message };
          logger.error({ err: error }, 'the rebuild failed; the live view stays');
        },
      );
    }
    await Promise.race([this.#rebuilding, new Promise((resolve) => setTimeout(resolve, waitMs).unref())]);
    return this.#rebuild;
  }

  #projector(projection: string): Projector<LeadRow> {
    if (projection !== name) throw new Problem('NOT_FOUND', `there is no projection ${projection}; there is ${name}`);
    if (this.#live === null) throw new Problem('NOT_READY', 'the projector has not started yet');
    return this.#live;
  }

  #tell(notice: ProjectorNotice): void {
    const { logger } = this.options;
    const { kind, ...facts } = notice;
    const fields = { view: name, ...('error' in facts ? { err: facts.error } : facts) };
    const what = `projection: ${kind.replaceAll('_', ' ')}`;
    if (kind === 'parked' || kind === 'failed') logger.error(fields, what);
    else if (kind === 'resumed') logger.info(fields, what);
    else logger.warn(fields, what);
  }
}
