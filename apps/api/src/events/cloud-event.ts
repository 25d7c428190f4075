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

/** Downstream never sees personal fields: they are in `sealed`, and that is left out. */
export function toCloudEvent(event: RecordedEvent): CloudEvent {
  const metadata = event.metadata as unknown as EventMetadata;
  const { sealed: _, ...data } = event.data;
  return {
    specversion: '1.0',
    id: event.id,
    source: 'urn:lead-ledger:leads',
    type: `io.leadledger.${event.type}.v${metadata.schemaVersion}`,
    subject: String(data.leadId),
    time: String(data.occurredAt),
    datacontenttype: 'application/json',
    position: event.position,
    recordedat: toIso(effectiveRecordedAtMs(event)),
    revision: event.revision,
    correlationid: metadata.$correlationId,
    causationid: metadata.$causationId,
    actor: `${metadata.actor.type}:${metadata.actor.id}`,
    data,
  };
}
