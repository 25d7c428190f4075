import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { AccountDirectory } from './accounts/account-directory.js';
import { AccountsController } from './accounts/accounts.controller.js';
import { CampaignsController } from './accounts/campaigns.controller.js';
import { AlertsController } from './alerts/alerts.controller.js';
import { AlignmentMeetingsController, ReviewsController } from './alerts/reviews.controller.js';
import { AuditController } from './audit/audit.controller.js';
import { BulkController } from './bulk/bulk.controller.js';
import { BulkJobs } from './bulk/bulk-jobs.js';
import { ConfigModule } from './config/config.module.js';
import { DocsController } from './docs/docs.controller.js';
import { EventFeed } from './events/event-feed.js';
import { EventsController } from './events/events.controller.js';
import { ExportController } from './export/export.controller.js';
import { Exports } from './export/exports.js';
import { HealthModule } from './health/health.module.js';
import { ImportsModule } from './imports/imports.module.js';
import { KeysController } from './keys/keys.controller.js';
import { BatchController } from './leads/batch.controller.js';
import { LeadsController } from './leads/leads.controller.js';
import { LeadCommandsController } from './leads/lead-commands.controller.js';
import { ReportsController } from './reports/reports.controller.js';
import { ViewsModule } from './views.module.js';

/** HTTP: commands in, answers out. Needs the platform's and the commands' module beside it. */
@Module({
  imports: [CqrsModule, ViewsModule, HealthModule, ImportsModule, ConfigModule],
  controllers: [
    LeadCommandsController,
    LeadsController,
    BatchController,
    ReportsController,
    AuditController,
    EventsController,
    KeysController,
    DocsController,
    BulkController,
    ExportController,
    AccountsController,
    CampaignsController,
    AlertsController,
    ReviewsController,
    AlignmentMeetingsController,
  ],
  providers: [AccountDirectory, BulkJobs, Exports, EventFeed],
})
export class ApiModule {}
