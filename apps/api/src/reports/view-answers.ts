import { parsed } from '#libs/platform/src/zod-pipe.js';
import { atInstant, type Query } from '#libs/read-models/src/report-params.js';
import type { QueryContext } from '#libs/read-models/src/reports.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';
import { z } from 'zod';
import type { Policies } from '../policies.js';
import { position } from '../query-fields.js';
import type { Views } from '../views.js';
import type { PastViews } from './past-views.js';
import { type Answer, type Answers, type Asked, QUESTIONS, type QuestionName } from './questions.js';

/** Zone of periods and local dates when a query names none. */
const DEFAULT_TZ = 'UTC';
const afterOnly = z.object({ after: position.optional() });

/** Answers from the view that reflects what the query demands, under the configuration that who asks knows of. */
export class ViewAnswers implements Answers {
  constructor(
    private readonly views: Views,
    private readonly past: PastViews,
    private readonly policies: Policies,
  ) {}

  async to<Name extends QuestionName>(asked: Asked<Name>): Promise<Answer<Name>> {
    const { beside, configuredAt, name, nowMs, query } = asked;
    await this.policies.reach(configuredAt);
    const context = { nowMs, defaultTz: DEFAULT_TZ };
    const answer = (view: ReadView, given: QueryContext): Promise<Answer<Name>> =>
      (QUESTIONS[name] as (...asked: unknown[]) => Promise<Answer<Name>>)(view, query, given, ...beside);
    const knownAtMs = knownAtOf(query);
    if (knownAtMs !== null && knownAtMs < nowMs) {
      const { book: policies, campaigns } = await this.past.policiesKnownAt(knownAtMs);
      const then = { ...context, policies, campaigns, knownAtMs };
      return this.past.knownAt(knownAtMs, async ({ view, position }) =>
        alsoKnownAt(await answer(view, { ...then, position }), knownAtMs),
      );
    }
    const { after } = parsed(afterOnly, { after: query.after });
    const { view, position } = await this.views.reflecting(after);
    const { book, campaigns } = this.policies;
    return answer(view, { ...context, policies: book, campaigns, position });
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
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, told(member)]));
  };
  return told(answer) as Answer;
}
