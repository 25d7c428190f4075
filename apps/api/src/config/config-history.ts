import { Inject, Injectable } from '@nestjs/common';
import type { EventLog, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs, type EventMetadata } from '#libs/event-log/src/metadata.js';
import { toIso, type Clock } from '#libs/platform/src/clock.js';
import { CLOCK, EVENT_LOG } from '#libs/platform/src/tokens.js';

export const CONFIG_KINDS = ['agreements', 'calendars', 'pipelines', 'teams'] as const;
export type ConfigKind = (typeof CONFIG_KINDS)[number];

export interface ConfigVersion {
  readonly version: number;
  readonly status: 'draft' | 'in_force' | 'scheduled' | 'superseded' | 'retired';
  readonly effectiveFrom: string | null;
  readonly recordedAt: string;
  /** null: written into the log by another client, which did not say. */
  readonly by: string | null;
  readonly approvals: readonly { readonly party: string; readonly by: string }[];
  readonly document: Readonly<Record<string, unknown>>;
}

export interface ConfigDocument {
  readonly id: string;
  /** null: nothing is in force now. */
  readonly versionInForce: number | null;
  readonly latestVersion: number;
  readonly versions: readonly ConfigVersion[];
}

type Draft = { -readonly [K in keyof ConfigVersion]: ConfigVersion[K] } & {
  approvals: { party: string; by: string }[];
};

const PAGE = 1000;
const DEFINED = new Set(['CalendarDefined', 'AgreementDrafted', 'PipelineDefined', 'TeamDefined']);

/** Configuration as it was drafted, approved and put in force: read from its streams, for people who look at it. */
@Injectable()
export class ConfigHistory {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async list(kind: ConfigKind): Promise<ConfigDocument[]> {
    const streams = new Map<string, RecordedEvent[]>();
    let after: string | null = null;
    do {
      const page = await this.log.readAll({
        limit: PAGE,
        filter: { streamPrefixes: [prefixOf(kind)] },
        ...(after === null ? {} : { after }),
      });
      for (const event of page.events) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
      after = page.next;
    } while (after !== null);
    return Array.from(streams, ([stream, events]) => this.#document(stream.slice(prefixOf(kind).length), events))
      .filter(({ versions }) => versions.length > 0)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** null when there is no such document. */
  async read(kind: ConfigKind, id: string): Promise<ConfigDocument | null> {
    const document = this.#document(id, await this.log.readStream(prefixOf(kind) + id));
    return document.versions.length === 0 ? null : document;
  }

  #document(id: string, events: readonly RecordedEvent[]): ConfigDocument {
    const nowMs = this.clock.nowMs();
    const versions = new Map<number, Draft>();
    let inForce: Draft | null = null;
    for (const { type, data, metadata, ...event } of events) {
      // Teams have no versions of their own: each definition replaces the one before.
      const version = typeof data.version === 'number' ? data.version : event.revision + 1;
      const known = versions.get(version);
      if (DEFINED.has(type)) {
        const { version: _, occurredAt: __, ...document } = data;
        const draft: Draft = {
          version,
          status: 'draft',
          effectiveFrom: null,
          recordedAt: toIso(effectiveRecordedAtMs({ ...event, metadata })),
          by: (metadata as Partial<EventMetadata>).actor?.id ?? null,
          approvals: [],
          document,
        };
        versions.set(version, draft);
        if (type === 'TeamDefined') inForce = activate(draft, String(data.occurredAt), nowMs, inForce);
      } else if (type.endsWith('Activated') && known !== undefined) {
        inForce = activate(known, String(data.effectiveFrom), nowMs, inForce);
      } else if (type.endsWith('Approved') && known !== undefined) {
        known.approvals.push({ party: String(data.party), by: String(data.by) });
      } else if (type.endsWith('Retired') && inForce !== null) {
        inForce.status = 'retired';
        inForce = null;
      }
    }
    const all = [...versions.values()].toSorted((a, b) => a.version - b.version);
    return { id, versionInForce: inForce?.version ?? null, latestVersion: all.at(-1)?.version ?? 0, versions: all };
  }
}

const prefixOf = (kind: ConfigKind): string => `${kind.slice(0, -1)}-`;

/** What is in force after this activation: the one with the greatest `effectiveFrom` that is not in the future. */
function activate(draft: Draft, effectiveFrom: string, nowMs: number, inForce: Draft | null): Draft | null {
  draft.effectiveFrom = effectiveFrom;
  if (Date.parse(effectiveFrom) > nowMs) {
    draft.status = 'scheduled';
    return inForce;
  }
  const older = inForce !== null && inForce !== draft && (inForce.effectiveFrom ?? '') > effectiveFrom;
  if (older) {
    draft.status = 'superseded';
    return inForce;
  }
  if (inForce !== null && inForce !== draft) inForce.status = 'superseded';
  draft.status = 'in_force';
  return draft;
}
