import type { EventEnvelope, StreamFold } from '#libs/event-log/src/handle-command.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { toIso } from '#libs/platform/src/clock.js';
import { DOCUMENT_KINDS, type DocumentKind, documentKinds } from '#libs/policy/src/document-kinds.js';
import {
  evolveDocument,
  noVersions,
  type StoredEvent,
  type VersionedDocument,
} from '#libs/policy/src/versioned-document.js';

/** Kinds of configuration as URLs name them (contract "Configuration"); the first have versions, the others are settings. */
export const CONFIG_KINDS = [...DOCUMENT_KINDS, 'teams', 'targets', 'benchmarks'] as const;
export type ConfigKind = (typeof CONFIG_KINDS)[number];

const SETTINGS = { teams: 'team-', targets: 'target-', benchmarks: 'target-benchmark-' } as const;

export const isDocumentKind = (kind: string): kind is DocumentKind => Object.hasOwn(documentKinds, kind);

/** What the streams of a kind are called before the id. */
export const prefixOf = (kind: ConfigKind): string =>
  isDocumentKind(kind) ? `${documentKinds[kind].category}-` : SETTINGS[kind];

/** Benchmarks lie among the targets. */
export const isOfKind = (kind: ConfigKind, stream: string): boolean =>
  stream.startsWith(prefixOf(kind)) && (kind !== 'targets' || !stream.startsWith(SETTINGS.benchmarks));

/** Who wrote an event, and when it was recorded. */
export interface Written {
  readonly eventId: string;
  readonly recordedAt: string;
  /** null: another client of the log, which did not say. */
  readonly by: string | null;
}
export type WrittenEvent = StoredEvent & Written;

/** A configuration stream: as a document with versions, and as the plain events that settings are decided on. */
export interface ConfigStream {
  readonly document: VersionedDocument;
  readonly events: readonly WrittenEvent[];
}

const kindOf = (stream: string): DocumentKind | null =>
  DOCUMENT_KINDS.find((kind) => stream.startsWith(prefixOf(kind))) ?? null;

export const configFold: StreamFold<ConfigStream, StoredEvent> = {
  initial: () => ({ document: noVersions, events: [] }),
  evolve({ document, events }, event, envelope: EventEnvelope) {
    const { id, metadata, stream } = envelope;
    const kind = kindOf(stream);
    return {
      document: kind === null ? document : evolveDocument(kind, document, event, id),
      events: [
        ...events,
        {
          ...event,
          eventId: id,
          recordedAt: toIso(effectiveRecordedAtMs(envelope)),
          by: (metadata as Partial<EventMetadata>).actor?.id ?? null,
        },
      ],
    };
  },
  read: (_, recorded) => recorded,
};
