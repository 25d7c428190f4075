import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import type { ParkedEntity } from '#libs/projections/src/batch-fold.js';
import { Projector, type ProjectorNotice } from '#libs/projections/src/projector.js';
import { openLiveView, rebuild, type RebuildReport } from '#libs/projections/src/rebuild.js';
import { SystemClock, toIso, type Clock } from '#libs/platform/src/clock.js';
import type { Logger } from '#libs/platform/src/logging.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import { Problem } from '#libs/platform/src/problem.js';
import { CLOCK, EVENT_LOG, LOGGER, READ_STORE } from '#libs/platform/src/tokens.js';
import { funnelProjection } from '#libs/read-models/src/funnel-projection.js';
import type { LeadRow } from '#libs/read-models/src/lead-row.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';

const { name } = funnelProjection;

export interface RebuildStatus {
  readonly status: 'running' | 'done' | 'failed';
  readonly startedAt: string;
  readonly report: RebuildReport | null;
  readonly error: string | null;
}

/** The projections of this process: one so far. Runs it, rebuilds it, tells how it is. */
@Injectable()
export class Projections implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #machine = new SystemClock();
  #live: Projector<LeadRow> | null = null;
  #rebuild: RebuildStatus | null = null;
  #rebuilding: Promise<void> = Promise.resolve();

  constructor(
    private readonly metrics: Metrics,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(READ_STORE) private readonly store: ReadStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.#live = new Projector({
      projection: funnelProjection,
      log: this.log,
      view: await openLiveView(this.store, funnelProjection),
      clock: this.clock,
      onNotice: (notice) => this.#tell(notice),
    });
    this.#live.start();
    this.metrics.beforeScrape(async () => {
      const { events, seconds } = await this.#projector(name).lag();
      this.metrics.projectionLagEvents.set({ view: name }, events);
      this.metrics.projectionLagSeconds.set({ view: name }, seconds);
      this.metrics.parked.set({ view: name }, this.#projector(name).parked.length);
    });
  }

  /** After HTTP has drained: what was asked with `after=` had its answer. */
  async onApplicationShutdown(): Promise<void> {
    await this.#live?.stop();
  }

  async list() {
    const projector = this.#projector(name);
    return [
      {
        name,
        version: await this.store.activeVersion(name),
        position: projector.checkpoint,
        head: await this.log.head().catch((): Position | null => null),
        lag: await projector.lag().catch(() => null),
        parked: projector.parked.length,
        eventsFolded: projector.stats.events,
        commits: projector.stats.commits,
        rebuild: this.#rebuild,
      },
    ];
  }

  parked(projection: string): readonly ParkedEntity[] {
    return this.#projector(projection).parked;
  }

  /** Folds a parked lead again. True: it goes on; false: it fails still. */
  async retry(projection: string, entity: string): Promise<boolean> {
    const projector = this.#projector(projection);
    if (!projector.parked.some((parked) => parked.entity === entity))
      throw new Problem('NOT_FOUND', `${entity} is not parked`);
    return projector.unpark(entity);
  }

  /** Begins a rebuild beside the live view, unless one runs; answers when it is through or after `waitMs`. */
  async rebuild(projection: string, waitMs: number): Promise<RebuildStatus> {
    const live = this.#projector(projection);
    if (this.#rebuild?.status !== 'running') {
      const startedAt = toIso(this.#machine.nowMs());
      this.#rebuild = { status: 'running', startedAt, report: null, error: null };
      this.#rebuilding = rebuild({
        projection: funnelProjection,
        log: this.log,
        store: this.store,
        clock: this.clock,
        live,
      }).then(
        (report) => {
          this.#rebuild = { status: 'done', startedAt, report, error: null };
          this.logger[report.equal ? 'info' : 'error'](report, 'rebuilt');
        },
        (error: unknown) => {
          this.#rebuild = { status: 'failed', startedAt, report: null, error: (error as Error).message };
          this.logger.error({ err: error }, 'the rebuild failed; the live view stays');
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
    const { kind, ...facts } = notice;
    const fields = { view: name, ...('error' in facts ? { err: facts.error } : facts) };
    const what = `projection: ${kind.replaceAll('_', ' ')}`;
    if (kind === 'parked' || kind === 'failed') this.logger.error(fields, what);
    else if (kind === 'resumed') this.logger.info(fields, what);
    else this.logger.warn(fields, what);
  }
}
