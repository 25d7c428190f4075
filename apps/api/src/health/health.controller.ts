import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { Metrics } from '#libs/platform/src/metrics.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import { Policies } from '../policies.js';
import { Shutdown } from '../shutdown.js';
import { Views } from '../views.js';

const PROBE_MS = 1000;

export interface Readiness {
  readonly ready: boolean;
  readonly log: 'reachable' | 'unreachable';
  /** Configuration that is not in force. */
  readonly missing: readonly string[];
  readonly views: 'caught_up' | 'catching_up';
  readonly stopping: boolean;
}

@Controller()
export class HealthController {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    private readonly policies: Policies,
    private readonly views: Views,
    private readonly metrics: Metrics,
    private readonly shutdown: Shutdown,
  ) {}

  /** The process runs. */
  @Get('healthz')
  health(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Send requests here: the log answers, the configuration is loaded, the views have caught up once. */
  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const log = await this.#reachable();
    const missing = this.policies.book.missing();
    const caughtUp = await this.views.caughtUpOnce().catch(() => false);
    const stopping = this.shutdown.begun;
    // Without a pipeline no lead is worked. What else is missing keeps handoffs back, and who is to mend it has to get in here.
    const works = !missing.some((name) => name.startsWith('pipeline-'));
    const ready = log && works && caughtUp && !stopping;
    void reply.code(ready ? 200 : 503);
    return {
      ready,
      log: log ? 'reachable' : 'unreachable',
      missing,
      views: caughtUp ? 'caught_up' : 'catching_up',
      stopping,
    };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  scrape(): Promise<string> {
    return this.metrics.scrape();
  }

  async #reachable(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), PROBE_MS);
    });
    const answer = this.log.head().then(
      () => true,
      () => false,
    );
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }
}
