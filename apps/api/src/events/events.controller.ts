import { Controller, Get, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { leadEventSchemas } from '#libs/lead/src/events.js';
import { ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { commaList, leadId, limit, position } from '../query-fields.js';
import { Shutdown } from '../shutdown.js';
import { cloudEvent } from './cloud-event.js';
import { EventFeed, type FeedPage } from './event-feed.js';

export const eventsQuery = z.strictObject({
  after: position.optional().describe('Events recorded after this position; omitted: from the first'),
  types: commaList
    .pipe(z.array(z.enum(Object.keys(leadEventSchemas) as [string, ...string[]], 'unknown event type')))
    .optional()
    .describe('Comma-separated event types, e.g. AcceptedBySales,DealWon'),
  leadId: leadId.optional(),
  limit: limit(1000, 100),
  wait: z
    .string()
    .regex(/^\d{1,2}$/, 'must be whole seconds from 0 to 30')
    .transform(Number)
    .refine((seconds) => seconds <= 30, 'must be whole seconds from 0 to 30')
    .default(0)
    .describe('Long poll: wait up to so many seconds when there is nothing yet'),
});
export const eventsAnswer = z.object({
  events: z.array(cloudEvent),
  position: position.nullable().describe('`after` of the next request'),
  more: z.boolean().describe('Whether there was more to read at once'),
});

@Controller('v1/events')
export class EventsController {
  constructor(
    private readonly feed: EventFeed,
    private readonly shutdown: Shutdown,
  ) {}

  @Get()
  page(
    @Query(new ZodPipe(eventsQuery)) query: z.output<typeof eventsQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<FeedPage> {
    return this.feed.page({ ...query, waitS: query.wait }, this.shutdown.signal(reply));
  }
}
