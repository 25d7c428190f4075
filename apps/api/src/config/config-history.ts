import { Inject, Injectable } from '@nestjs/common';
import type { EventLog, RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { Clock } from '#libs/platform/src/clock.js';
import { CLOCK, EVENT_LOG } from '#libs/platform/src/tokens.js';
import { versionAt } from '#libs/policy/src/versions.js';
import {
  configFold,
  type ConfigKind,
  type ConfigStream,
  isDocumentKind,
  isOfKind,
  prefixOf,
  type WrittenEvent,
} from './config-streams.js';

export interface ConfigVersion {
  readonly version: number;
  readonly status: 'draft' | 'in_force' | 'scheduled' | 'superseded' | 'retired';
  readonly effectiveFrom: string | null;
  readonly recordedAt: string;
  /** null: written into the log by another client, which did not say. */
  readonly by: string | null;
  readonly approvals: readonly { readonly party: string; readonly by: string }[];
  readonly validations?: readonly string[];
  readonly document: Readonly<Record<string, unknown>>;
}

export interface ConfigHistoryOfOne {
  readonly id: string;
  /** null: nothing is in force now. */
  readonly versionInForce: number | null;
  readonly latestVersion: number;
  readonly versions: readonly ConfigVersion[];
}

const PAGE = 1000;

/** Configuration as it was drafted, approved and put in force: read from its streams, for people who look at it. */
@Injectable()
export class ConfigHistory {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async list(kind: ConfigKind): Promise<ConfigHistoryOfOne[]> {
    const streams = new Map<string, ConfigStream>();
    let after: string | null = null;
    do {
      const page = await this.log.readAll({
        limit: PAGE,
        filter: { streamPrefixes: [prefixOf(kind)] },
        ...(after === null ? {} : { after }),
      });
      for (const event of page.events)
        if (isOfKind(kind, event.stream)) streams.set(event.stream, folded(event, streams.get(event.stream)));
      after = page.next;
    } while (after !== null);
    const nowMs = this.clock.nowMs();
    return Array.from(streams, ([stream, state]) => historyOf(kind, stream.slice(prefixOf(kind).length), state, nowMs))
      .filter(({ versions }) => versions.length > 0)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** null when there is no such document. */
  async read(kind: ConfigKind, id: string): Promise<ConfigHistoryOfOne | null> {
    const stream = prefixOf(kind) + id;
    if (!isOfKind(kind, stream)) return null;
    let state = configFold.initial(stream);
    for (const event of await this.log.readStream(stream)) state = folded(event, state);
    const history = historyOf(kind, id, state, this.clock.nowMs());
    return history.versions.length === 0 ? null : history;
  }
}

const folded = (event: RecordedEvent, state = configFold.initial(event.stream)): ConfigStream =>
  configFold.evolve(state, event, event);

/** The versions of one stream as they stand at `nowMs`. */
export function historyOf(
  kind: ConfigKind,
  id: string,
  { document, events }: ConfigStream,
  nowMs: number,
): ConfigHistoryOfOne {
  if (!isDocumentKind(kind)) return settingsOf(id, events);
  const inForce = versionAt(document.spans, nowMs);
  const ahead = new Set(document.spans.flatMap(({ fromMs, version }) => (fromMs > nowMs ? (version ?? []) : [])));
  const versions = document.drafts.map(({ approvals, effectiveFrom, eventId, retired, version, ...draft }) => {
    const { by = null, recordedAt = '' } = events.find((event) => event.eventId === eventId) ?? {};
    const status: ConfigVersion['status'] =
      version === inForce
        ? 'in_force'
        : ahead.has(version)
          ? 'scheduled'
          : retired
            ? 'retired'
            : effectiveFrom === null
              ? 'draft'
              : 'superseded';
    const tried = draft.validations === undefined ? {} : { validations: draft.validations };
    return { version, status, effectiveFrom, recordedAt, by, approvals, ...tried, document: draft.document };
  });
  return { id, versionInForce: inForce, latestVersion: versions.at(-1)?.version ?? 0, versions };
}

/** Settings have no versions of their own: each replaces the one before. */
function settingsOf(id: string, events: readonly WrittenEvent[]): ConfigHistoryOfOne {
  const said = events.flatMap((event) => {
    const document = settingIn(event);
    return document === null ? [] : [{ event, document }];
  });
  const versions = said.map(({ document, event }, index) => ({
    version: index + 1,
    status: index === said.length - 1 ? ('in_force' as const) : ('superseded' as const),
    effectiveFrom: String(event.data.occurredAt),
    recordedAt: event.recordedAt,
    by: event.by,
    approvals: [],
    document,
  }));
  return { id, versionInForce: versions.length || null, latestVersion: versions.length, versions };
}

/** What an event sets, as it could be posted; null: something else. */
export function settingIn({ data, type }: WrittenEvent): Readonly<Record<string, unknown>> | null {
  const { by: _by, occurredAt: _at, ...said } = data;
  if (type === 'TeamDefined' || type === 'RevenueTargetSet' || type === 'BenchmarkSet') return said;
  if (type === 'RevenueTargetChanged') return { period: said.period, scope: said.scope, amount: said.new };
  return null;
}
