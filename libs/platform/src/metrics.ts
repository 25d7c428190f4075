import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventLog } from '#libs/event-log/src/event-log.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The process's Prometheus metrics, answered at `/metrics`. One instance a process; names carry their units. */
export class Metrics {
  readonly registry = new Registry();

  readonly commands = new Counter({
    name: 'ledger_commands_total',
    help: 'Commands by name and outcome (ok, replayed, or the error code)',
    labelNames: ['command', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly appendSeconds = new Histogram({
    name: 'ledger_append_seconds',
    help: 'Time until the log acknowledged an append',
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly projectionLagEvents = new Gauge({
    name: 'ledger_projection_lag_events',
    help: 'Events read from the log and not yet committed to the read models',
    labelNames: ['view'] as const,
    registers: [this.registry],
  });
  readonly projectionLagSeconds = new Gauge({
    name: 'ledger_projection_lag_seconds',
    help: 'Age of the oldest event that the read models do not reflect; 0 when caught up',
    labelNames: ['view'] as const,
    registers: [this.registry],
  });
  readonly parked = new Gauge({
    name: 'ledger_projection_parked',
    help: 'Leads whose events a view refuses; anything above 0 needs somebody',
    labelNames: ['view'] as const,
    registers: [this.registry],
  });
  readonly historyLagEvents = new Gauge({
    name: 'ledger_history_lag_events',
    help: 'Events read from the log and not yet in the columnar history',
    registers: [this.registry],
  });
  readonly historyLagSeconds = new Gauge({
    name: 'ledger_history_lag_seconds',
    help: 'Age of the oldest event that the columnar history does not hold; 0 when caught up',
    registers: [this.registry],
  });
  readonly historySegments = new Gauge({
    name: 'ledger_history_segments',
    help: 'Segment files of the columnar history',
    registers: [this.registry],
  });
  readonly historyBytes = new Gauge({
    name: 'ledger_history_bytes',
    help: 'Bytes in segment files of the columnar history',
    registers: [this.registry],
  });
  readonly sweeperHeartbeat = new Gauge({
    name: 'ledger_sweeper_heartbeat_timestamp_seconds',
    help: 'When the SLA sweeper last finished a round',
    registers: [this.registry],
  });
  readonly httpSeconds = new Histogram({
    name: 'ledger_http_request_seconds',
    help: 'HTTP requests by method, route and status',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });

  readonly #probes: (() => Promise<void>)[] = [];

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Asked before each scrape: for gauges that cost something to know. A probe that fails leaves its gauges as they were. */
  beforeScrape(probe: () => Promise<void>): void {
    this.#probes.push(probe);
  }

  /** Prometheus text format. */
  async scrape(): Promise<string> {
    await Promise.allSettled(this.#probes.map((probe) => probe()));
    return this.registry.metrics();
  }
}

/** The same log; its appends are measured. */
export function measured(log: EventLog, metrics: Metrics): EventLog {
  return {
    async append(append) {
      const stop = metrics.appendSeconds.startTimer();
      try {
        return await log.append(append);
      } finally {
        stop();
      }
    },
    async appendMany(appends) {
      const stop = metrics.appendSeconds.startTimer();
      try {
        return await log.appendMany(appends);
      } finally {
        stop();
      }
    },
    async appendBehind(ahead, last) {
      const stop = metrics.appendSeconds.startTimer();
      try {
        return await log.appendBehind(ahead, last);
      } finally {
        stop();
      }
    },
    readStream: (stream, options) => log.readStream(stream, options),
    readAll: (options) => log.readAll(options),
    subscribe: (options) => log.subscribe(options),
    head: () => log.head(),
    deleteStream: (stream, expectedRevision) => log.deleteStream(stream, expectedRevision),
    close: () => log.close(),
  };
}
