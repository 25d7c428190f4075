import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { RoleGuard } from './caller.js';
import { AuditController } from './audit/audit.controller.js';
import { ConfigController } from './config/config.controller.js';
import { ConfigHistory } from './config/config-history.js';
import { DocsController } from './docs/docs.controller.js';
import { EventFeed } from './events/event-feed.js';
import { EventsController } from './events/events.controller.js';
import { HealthController } from './health/health.controller.js';
import { ImportsModule } from './imports/imports.module.js';
import { KeysController } from './keys/keys.controller.js';
import { BatchController } from './leads/batch.controller.js';
import { LeadsController } from './leads/leads.controller.js';
import { LeadCommandsController } from './leads/lead-commands.controller.js';
import { Figures } from './reports/figures.js';
import { ReportsController } from './reports/reports.controller.js';
import { Shutdown } from './shutdown.js';
import { ViewsModule } from './views.module.js';

/** HTTP: commands in, answers out. Needs the platform's and the commands' module beside it. */
@Module({
  imports: [CqrsModule, ViewsModule, ImportsModule],
  controllers: [
    LeadCommandsController,
    LeadsController,
    BatchController,
    ReportsController,
    AuditController,
    EventsController,
    KeysController,
    ConfigController,
    HealthController,
    DocsController,
  ],
  providers: [{ provide: APP_GUARD, useClass: RoleGuard }, Shutdown, Figures, EventFeed, ConfigHistory],
})
export class ApiModule {}
