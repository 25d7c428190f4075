import { Global, Module, type DynamicModule } from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { ApiKeys } from './api-keys.js';
import { Authentication } from './authentication.js';
import type { Clock } from './clock.js';
import type { Logger } from './logging.js';
import { Metrics } from './metrics.js';
import type { Settings } from './settings.js';
import { SignInLink } from './sign-in-link.js';
import { ANSWERS, CLOCK, EVENT_LOG, LOGGER, READ_STORE, SETTINGS } from './tokens.js';

/** What a process opened before Nest starts and closes after Nest has stopped. */
export interface PlatformResources {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly log: EventLog;
  /** A `ReadStore` of libs/read-models; this library does not look at it. */
  readonly store: unknown;
  /** `Answers` of apps/api. */
  readonly answers: unknown;
  readonly keys: ApiKeys;
  readonly authentication: Authentication;
  readonly signInLink: SignInLink;
}

/** Makes the process's resources injectable everywhere. */
@Global()
@Module({})
export class PlatformModule {
  static of(resources: PlatformResources): DynamicModule {
    const providers = [
      { provide: SETTINGS, useValue: resources.settings },
      { provide: CLOCK, useValue: resources.clock },
      { provide: LOGGER, useValue: resources.logger },
      { provide: EVENT_LOG, useValue: resources.log },
      { provide: READ_STORE, useValue: resources.store },
      { provide: ANSWERS, useValue: resources.answers },
      { provide: Metrics, useValue: resources.metrics },
      { provide: ApiKeys, useValue: resources.keys },
      { provide: Authentication, useValue: resources.authentication },
      { provide: SignInLink, useValue: resources.signInLink },
    ];
    return { module: PlatformModule, providers, exports: providers };
  }
}
