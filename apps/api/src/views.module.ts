import { Global, Module } from '@nestjs/common';
import { Views } from './views.js';

/** The read models, for whoever asks them: the API's queries, the worker's due set. */
@Global()
@Module({ providers: [Views], exports: [Views] })
export class ViewsModule {}
