import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { cloudEvent, toCloudEvent } from './cloud-event.js';

const recorded: RecordedEvent = {
  id: '8f14e45f-ceea-467f-9575-000000000001',
  type: 'DealWon',
  stream: 'lead-8f14e45f-ceea-467f-9575-000000000002',
  revision: 4,
  position: '000000000000002a',
  recordedAtMs: Date.parse('2026-03-02T10:00:00.000Z'),
  data: { leadId: '8f14e45f-ceea-467f-9575-000000000002', occurredAt: '2026-03-01T00:00:00.000Z', sealed: 'c2VjcmV0' },
  metadata: {
    schemaVersion: 2,
    $correlationId: 'c',
    $causationId: 'd',
    actor: { type: 'user', id: 'rita', role: 'sales' },
    recordedAt: '2026-03-02T11:00:00.000Z',
  },
};

describe('an event as a CloudEvent', () => {
  it('keeps its ids and times and leaves what is sealed out', () => {
    expect(toCloudEvent(recorded)).toMatchObject({
      type: 'io.leadledger.DealWon.v2',
      subject: recorded.data.leadId,
      time: '2026-03-01T00:00:00.000Z',
      recordedat: '2026-03-02T11:00:00.000Z',
      actor: 'user:rita',
      correlationid: 'c',
    });
    expect(toCloudEvent(recorded).data).not.toHaveProperty('sealed');
  });

  it('is made of what there is, when another client wrote it into the log', () => {
    const foreign = toCloudEvent({ ...recorded, data: { x: 1 }, metadata: {} });
    expect(cloudEvent.parse(foreign)).toMatchObject({
      subject: '8f14e45f-ceea-467f-9575-000000000002',
      time: '2026-03-02T10:00:00.000Z',
      correlationid: recorded.id,
      actor: 'unknown',
      data: { x: 1 },
    });
  });
});
