import { Inject, Injectable } from '@nestjs/common';
import type { Position } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { CLOCK } from '#libs/platform/src/tokens.js';
import { parsed } from '#libs/platform/src/zod-pipe.js';
import { atInstant, type Query } from '#libs/read-models/src/report-params.js';
import type { QueryContext } from '#libs/read-models/src/reports.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { z } from 'zod';
import { Policies } from '../policies.js';
import { position } from '../query-fields.js';
import { Views } from '../views.js';
import { PastViews } from './past-views.js';

/** Zone of periods and local dates when a query names none. */
const DEFAULT_TZ = 'UTC';
const afterOnly = z.object({ after: position.optional() });

/** Asks a function of libs/read-models on the view that reflects what the query demands. */
@Injectable()
export class Figures {
  constructor(
    private readonly views: Views,
    private readonly past: PastViews,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly policies: Policies,
  ) {}

  async ask<Answer>(
    query: Query,
    answer: (view: ReadView, query: Query, context: QueryContext & { position: Position | null }) => Promise<Answer>,
  ): Promise<Answer> {
    const nowMs = this.clock.nowMs();
    const context = { nowMs, defaultTz: DEFAULT_TZ, policies: this.policies.book };
    const knownAtMs = knownAtOf(query);
    if (knownAtMs !== null && knownAtMs < nowMs) {
      const { view, position } = await this.past.knownAt(knownAtMs);
      return alsoKnownAt(await answer(view, query, { ...context, knownAtMs, position }), knownAtMs);
    }
    const { after } = parsed(afterOnly, { after: query.after });
    const { view, position } = await this.views.reflecting(after);
    return answer(view, query, { ...context, position });
  }
}

/** null: not asked, or nothing to read; then the report says what is wrong. */
function knownAtOf({ knownAt, tz }: Query): number | null {
  if (typeof knownAt !== 'string') return null;
  return atInstant('knownAt', knownAt, typeof tz === 'string' ? tz : DEFAULT_TZ);
}

/** Its drill links ask the same past. */
function alsoKnownAt<Answer>(answer: Answer, knownAtMs: number): Answer {
  const knownAt = `&knownAt=${encodeURIComponent(new Date(knownAtMs).toISOString())}`;
  const told = (value: unknown): unknown => {
    if (typeof value === 'string') return value.startsWith('/v1/leads?drill=') ? value + knownAt : value;
    if (Array.isArray(value)) return value.map(told);
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, told(member)]));
  };
  return told(answer) as Answer;
}
