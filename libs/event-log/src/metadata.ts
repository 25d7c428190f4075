import type { RecordedEvent } from './event-log.js';

/** What every event of ours carries beside its payload (spec §2.3). `$correlationId`/`$causationId` are EventStoreDB's names. */
export interface EventMetadata {
  readonly schemaVersion: number;
  readonly commandId: string;
  /** sha256 hex of the canonical JSON of the command: the same id with another hash is a reused command id. */
  readonly commandHash: string;
  readonly $correlationId: string;
  readonly $causationId: string;
  readonly actor: {
    readonly type: 'user' | 'system' | 'integration';
    readonly id: string;
    readonly role: string;
    readonly onBehalfOf?: string;
  };
  readonly source: {
    readonly system: string;
    readonly channel?: string;
    readonly importJobId?: string;
    readonly bulkJobId?: string;
  };
  readonly tenantId: string;
  readonly policyRefs: {
    readonly pipelineVersion?: number;
    readonly agreementVersion?: number;
    readonly scoringModelVersion?: number;
    readonly calendarVersion?: number;
  };
  /** Names the key that the event's sealed personal fields are encrypted with. */
  readonly piiKeyId?: string;
  /** ISO instant; exists only under the test clock, where the store's own `created` would be the wrong time. */
  readonly recordedAt?: string;
}

/** When the event was recorded, ms since the Unix epoch: the store's time unless a test clock says otherwise. */
export function effectiveRecordedAtMs(event: Pick<RecordedEvent, 'metadata' | 'recordedAtMs'>): number {
  const { recordedAt } = event.metadata;
  if (typeof recordedAt !== 'string') return event.recordedAtMs;
  const atMs = Date.parse(recordedAt);
  return Number.isNaN(atMs) ? event.recordedAtMs : atMs;
}
