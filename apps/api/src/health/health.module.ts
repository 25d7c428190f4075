import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RoleGuard } from '../caller.js';
import { Shutdown } from '../shutdown.js';
import { ViewsModule } from '../views.module.js';
import { HealthController } from './health.controller.js';

/** What every role with a listener answers, and how it guards and stops. */
@Global()
@Module({
  imports: [ViewsModule],
  controllers: [HealthController],
  providers: [{ provide: APP_GUARD, useClass: RoleGuard }, Shutdown],
  exports: [Shutdown],
})
export class HealthModule {}
