import { Inject, Injectable } from '@nestjs/common';
import type { Position } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import type { Query } from '#libs/read-models/src/report-params.js';
import type { QueryContext } from '#libs/read-models/src/reports.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { z } from 'zod';
import { Policies } from '../policies.js';
import { position } from '../query-fields.js';
import { Views } from '../views.js';

/** Zone of periods and local dates when a query names none. */
const DEFAULT_TZ = 'UTC';
const afterOnly = z.object({ after: position.optional() });

/** Asks a function of libs/read-models on the view that reflects what the query demands. */
@Injectable()
export class Figures {
  constructor(
    private readonly views: Views,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly policies: Policies,
  ) {}

  async ask<Answer>(
    query: Query,
    answer: (view: ReadView, query: Query, context: QueryContext & { position: Position | null }) => Promise<Answer>,
  ): Promise<Answer> {
    const { after } = parsed(afterOnly, { after: query.after });
    const { view, position } = await this.views.reflecting(after);
    return answer(view, query, {
      nowMs: this.clock.nowMs(),
      defaultTz: DEFAULT_TZ,
      policies: this.policies.book,
      campaigns: this.policies.campaigns,
      position,
    });
  }
}
