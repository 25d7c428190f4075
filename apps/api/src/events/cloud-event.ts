import { z } from 'zod';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { toIso } from '#libs/platform/src/clock.js';

/** CloudEvents 1.0, structured JSON, with our extensions (contract "Events"). Names have no separators: the standard's rule. */
export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  position: z.string(),
  recordedat: z.string(),
  revision: z.int(),
  correlationid: z.string(),
  causationid: z.string(),
  actor: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type CloudEvent = z.infer<typeof cloudEvent>;

/**
 * Downstream never sees personal fields: they are in `sealed`, and that is left out. An event that another client has put into
 * the log, without what ours carry, is passed on with what is known of it: it must not stop the feed.
 */
export function toCloudEvent(event: RecordedEvent): CloudEvent {
  const metadata = event.metadata as Partial<EventMetadata>;
  const { sealed: _, ...data } = event.data;
  const recordedat = toIso(effectiveRecordedAtMs(event));
  const { leadId, occurredAt } = data;
  return {
    specversion: '1.0',
    id: event.id,
    source: 'urn:lead-ledger:leads',
    type: `io.leadledger.${event.type}.v${metadata.schemaVersion ?? 1}`,
    subject: typeof leadId === 'string' ? leadId : event.stream.slice(event.stream.indexOf('-') + 1),
    time: typeof occurredAt === 'string' ? occurredAt : recordedat,
    datacontenttype: 'application/json',
    position: event.position,
    recordedat,
    revision: event.revision,
    correlationid: metadata.$correlationId ?? event.id,
    causationid: metadata.$causationId ?? event.id,
    actor: metadata.actor === undefined ? 'unknown' : `${metadata.actor.type}:${metadata.actor.id}`,
    data,
  };
}
