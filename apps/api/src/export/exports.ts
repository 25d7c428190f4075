import type { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { EventLog, Position } from '#libs/event-log/src/event-log.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import type { Query } from '#libs/read-models/src/report-params.js';
import type { ExportFormat } from '../audit/audit-export.js';
import { type CloudEvent, toCloudEvent } from '../events/cloud-event.js';
import { Figures } from '../reports/figures.js';
import { type Columns, readSpooled, type SpooledFile, spoolExport } from './spooled-export.js';

export type Export = SpooledFile & { readonly content: Readable; readonly position: Position | null };

/** Events read at a time. */
const PAGE = 1000;

export interface EventsAsked {
  readonly after?: Position | undefined;
  readonly types?: readonly string[] | undefined;
  readonly format: ExportFormat;
}

/** Everything there is of a kind, as a file: for other systems and for analysts (spec §8.2). None holds personal data. */
@Injectable()
export class Exports {
  constructor(
    private readonly figures: Figures,
    @Inject(EVENT_LOG) private readonly log: EventLog,
  ) {}

  /** Those that pass the filters of the lead list, by id. */
  async leads(query: Query, format: ExportFormat): Promise<Export> {
    return opened(await this.figures.ask('exportLeads', query, format));
  }

  /** Visits of those leads that began in the period; by lead, in order. */
  async visits(query: Query, format: ExportFormat): Promise<Export> {
    return opened(await this.figures.ask('exportVisits', query, format));
  }

  /** The leads' events in the order of the log up to now, personal fields left out. */
  async events({ after, format, types }: EventsAsked): Promise<Export> {
    const head = await this.log.head();
    const position = head ?? after ?? null;
    return opened({ ...(await spoolExport(this.#events(after, types, head), format, EVENT_COLUMNS)), position });
  }

  async *#events(
    from: Position | undefined,
    types: readonly string[] | undefined,
    head: Position | null,
  ): AsyncGenerator<CloudEvent[]> {
    if (head === null) return;
    const filter = { streamPrefixes: ['lead-'], ...(types === undefined ? {} : { eventTypes: types }) };
    for (let after = from; ;) {
      const { events, next } = await this.log.readAll({
        ...(after === undefined ? {} : { after }),
        filter,
        limit: PAGE,
      });
      // What is recorded while the file is written belongs to the next one.
      yield events.filter((event) => event.position <= head).map(toCloudEvent);
      if (next === null || next >= head) return;
      after = next;
    }
  }
}

const opened = (file: SpooledFile & { readonly position: Position | null }): Export => ({
  ...file,
  content: readSpooled(file),
});

const EVENT_COLUMNS: Columns<CloudEvent> = {
  position: (event) => event.position,
  recordedAt: (event) => event.recordedat,
  occurredAt: (event) => event.time,
  leadId: (event) => event.subject,
  revision: (event) => event.revision,
  eventId: (event) => event.id,
  type: (event) => event.type,
  actor: (event) => event.actor,
  correlationId: (event) => event.correlationid,
  causationId: (event) => event.causationid,
  data: (event) => JSON.stringify(event.data),
};
