import { Global, Module } from '@nestjs/common';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { EVENT_LOG, READ_STORE } from '#libs/platform/src/tokens.js';
import type { ReadStore } from '#libs/read-models/src/store/read-store.js';
import { Figures } from './reports/figures.js';
import { Views } from './views.js';

const views = {
  provide: Views,
  useFactory: (store: ReadStore, log: EventLog) => new Views(store, log),
  inject: [READ_STORE, EVENT_LOG],
};

/** The read models, for whoever asks them: the API's queries, the worker's due set and alerts. */
@Global()
@Module({ providers: [views, Figures], exports: [Views, Figures] })
export class ViewsModule {}
