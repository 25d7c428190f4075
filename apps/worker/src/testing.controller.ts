import { Body, Controller, Get, HttpCode, Inject, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { ForRoles } from '#apps/api/src/caller.js';
import { clockRequest, sweepRequest } from '#apps/api/src/openapi/testing-routes.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { CLOCK, EVENT_LOG } from '#libs/platform/src/tokens.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { TestClockDriver } from './test-clock.js';

interface ClockAnswer {
  readonly now: string;
  readonly position: Position | null;
}

/** A hand-driven clock (contract `LEDGER_TEST_CLOCK=1`). Answers when all views have caught up. */
@ForRoles('admin')
@Controller('v1/testing')
export class TestingController {
  constructor(
    private readonly driver: TestClockDriver,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EVENT_LOG) private readonly log: EventLog,
  ) {}

  @Get('clock')
  now(): Promise<ClockAnswer> {
    return this.#answer();
  }

  @Put('clock')
  async set(@Body(new ZodPipe(clockRequest)) { now, sweep }: z.output<typeof clockRequest>): Promise<ClockAnswer> {
    await this.driver.set(now, sweep);
    return this.#answer();
  }

  @Post('sweep')
  @HttpCode(200)
  async sweep(@Body(new ZodPipe(sweepRequest)) { instances }: z.output<typeof sweepRequest>): Promise<ClockAnswer> {
    await this.driver.sweep(instances);
    return this.#answer();
  }

  async #answer(): Promise<ClockAnswer> {
    return { now: toIso(this.clock.nowMs()), position: await this.log.head() };
  }
}
