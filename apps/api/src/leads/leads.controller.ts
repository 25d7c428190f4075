import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { z } from 'zod';
import { EventLogError, type EventLog, type Position } from '#libs/event-log/src/event-log.js';
import type { Actor, Role } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { leadEventSchemas, personalFields, type LeadEvent } from '#libs/lead/src/events.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { Problem } from '#libs/platform/src/problem.js';
import { CLOCK, EVENT_LOG } from '#libs/platform/src/tokens.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { leadListItem } from '#libs/read-models/src/lead-list.js';
import { readRows } from '#libs/read-models/src/scan.js';
import { SealedFields } from '#libs/privacy/src/sealed-fields.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import { DEFAULT_MODEL_ID } from '#libs/scoring/src/default-model.js';
import { Caller } from '../caller.js';
import { LeadReader, type TimelineEntry } from '../commands/lead-reader.js';
import { notFound } from '../commands/lead-commands.js';
import { after, instant, limit } from '../query-fields.js';
import { Views } from '../views.js';
import { Policies } from '../policies.js';
import { leadCard } from './lead-card.js';
import { leadScore, scoreCard } from './lead-score.js';

const moment = {
  asOf: instant.optional().describe('What was so at this instant (spec §8.3)'),
  knownAt: instant.optional().describe('As far as it was known at this instant'),
  tz: z.string().max(64).optional().describe('Without effect here: instants are told in UTC'),
  after,
};
export const cardQuery = z.strictObject(moment);
export const scoreQuery = z.strictObject({
  ...moment,
  modelVersion: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be the number of a version')
    .transform(Number)
    .optional()
    .describe('Any version ever drafted; default: the model in force at that instant'),
  modelId: z.string().min(1).max(128).optional().describe('Default: the model in force'),
});
export const timelineQuery = z.strictObject({
  ...moment,
  limit: limit(1000, 1000),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a cursor as an answer gave it')
    .transform(Number)
    .optional(),
});

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Roles that read figures and events but work with nobody: they get leads without the fields that name somebody. */
const WITHOUT_PERSONAL: ReadonlySet<Role | 'system'> = new Set<Role>(['analyst', 'integration']);
const sealedFields = new SealedFields(leadEventSchemas, (schema) => personalFields.has(schema));

/** One lead, read from its own stream: never behind, at any moment. While the log is away the card is what the views know. */
@Controller('v1/leads/:leadId')
export class LeadsController {
  constructor(
    private readonly reader: LeadReader,
    private readonly views: Views,
    private readonly policies: Policies,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  async card(
    @Param('leadId') leadId: string,
    @Query(new ZodPipe(cardQuery)) query: z.output<typeof cardQuery>,
    @Caller() caller: Actor,
  ): Promise<object> {
    try {
      const heading = await this.#heading(query);
      const found = UUID.test(leadId) ? await this.reader.lead(leadId.toLowerCase(), momentOf(query)) : null;
      if (found === null) throw notFound(leadId);
      const atMs = query.asOf ?? this.clock.nowMs();
      const score = scoreCard(found.lead, this.policies.models.inForce(atMs), atMs);
      return { ...heading, ...leadCard(found, caller, !WITHOUT_PERSONAL.has(caller.role)), score };
    } catch (error) {
      const isOutage = error instanceof EventLogError && error.code === 'STORE_UNAVAILABLE';
      if (!isOutage || query.asOf !== undefined || query.knownAt !== undefined) throw error;
      return this.#lastSeen(leadId.toLowerCase(), query.after);
    }
  }

  @Get('score')
  async score(
    @Param('leadId') leadId: string,
    @Query(new ZodPipe(scoreQuery)) query: z.output<typeof scoreQuery>,
  ): Promise<object> {
    const heading = await this.#heading(query);
    const found = UUID.test(leadId) ? await this.reader.lead(leadId.toLowerCase(), momentOf(query)) : null;
    if (found === null) throw notFound(leadId);
    const atMs = query.asOf ?? this.clock.nowMs();
    const pipeline = this.policies.book.pipeline(found.lead.leadType, atMs);
    return { ...heading, ...leadScore(found.lead, this.#model(query, atMs), pipeline, atMs) };
  }

  @Get('timeline')
  async timeline(
    @Param('leadId') leadId: string,
    @Query(new ZodPipe(timelineQuery)) query: z.output<typeof timelineQuery>,
    @Caller() caller: Actor,
  ): Promise<object> {
    const heading = await this.#heading(query);
    const entries = UUID.test(leadId) ? await this.reader.timeline(leadId.toLowerCase(), momentOf(query)) : [];
    if (entries.length === 0) throw notFound(leadId);
    const from = query.cursor ?? 0;
    const items = entries.slice(from, from + query.limit);
    const next = from + items.length;
    return {
      ...heading,
      leadId: leadId.toLowerCase(),
      items: WITHOUT_PERSONAL.has(caller.role) ? items.map(withoutPersonal) : items,
      nextCursor: next < entries.length ? String(next) : null,
    };
  }

  #model({ modelId, modelVersion }: z.output<typeof scoreQuery>, atMs: number): CompiledModel {
    const { models } = this.policies;
    const present = models.inForce(atMs);
    if (modelId === undefined && modelVersion === undefined) {
      if (present !== null) return present;
      throw new LeadError('NOT_READY', 'no scoring model is in force then', { missing: ['scoringmodel'] });
    }
    const id = modelId ?? present?.modelId ?? DEFAULT_MODEL_ID;
    const model = modelVersion === undefined ? models.latest(id) : models.get(id, modelVersion);
    if (model !== null) return model;
    throw new Problem('NOT_FOUND', `there is no version ${modelVersion ?? ''} of the scoring model ${id}`);
  }

  /** While the log cannot be reached: what the read models have of the lead, and as of when. */
  async #lastSeen(leadId: string, after: Position | undefined): Promise<object> {
    const { view, position } = await this.views.reflecting(after);
    const [row] = await readRows(view, [leadId]);
    if (row === undefined) throw notFound(leadId);
    const now = toIso(this.clock.nowMs());
    return { position, asOf: now, knownAt: now, ...leadListItem(row), personal: 'unavailable', nextActions: [] };
  }

  /** The head is read first: whatever is recorded up to it is in the stream that is read next. */
  async #heading(query: { asOf?: number; knownAt?: number; after?: Position }) {
    const position = await this.log.head();
    if (query.after !== undefined && (position === null || position < query.after))
      throw new Problem('PROJECTION_BEHIND', `nothing is recorded at ${query.after} yet`, { position });
    const nowMs = this.clock.nowMs();
    return { position, asOf: toIso(query.asOf ?? nowMs), knownAt: toIso(query.knownAt ?? nowMs) };
  }
}

const momentOf = ({ asOf, knownAt }: { asOf?: number; knownAt?: number }) => ({
  ...(asOf === undefined ? {} : { asOfMs: asOf }),
  ...(knownAt === undefined ? {} : { knownAtMs: knownAt }),
});

function withoutPersonal({ note: _, ...entry }: TimelineEntry): TimelineEntry {
  const { plain } = sealedFields.split(entry.type, { ...entry.data });
  return { ...entry, data: plain as LeadEvent['data'] };
}
