import { Inject, Injectable } from '@nestjs/common';
import type { EventLog, LogFilter, Position, RecordedEvent } from '#libs/event-log/src/event-log.js';
import { EVENT_LOG } from '#libs/platform/src/tokens.js';
import { toCloudEvent, type CloudEvent } from './cloud-event.js';

export interface FeedRequest {
  readonly after?: Position | undefined;
  readonly types?: readonly string[] | undefined;
  readonly leadId?: string | undefined;
  readonly limit: number;
  /** How long to wait for the first event when there is none, seconds. */
  readonly waitS: number;
}

export interface FeedPage {
  readonly events: readonly CloudEvent[];
  /** `after` of the next request. Null only while the log is empty. */
  readonly position: Position | null;
  /** False when nothing more was in the log. */
  readonly more: boolean;
}

interface Page {
  readonly events: readonly RecordedEvent[];
  readonly position: Position | null;
  readonly more: boolean;
}

/** The leads' events in the order of the log, for whoever pulls (contract "Events", `GET /v1/events`). */
@Injectable()
export class EventFeed {
  constructor(@Inject(EVENT_LOG) private readonly log: EventLog) {}

  async page(request: FeedRequest, signal: AbortSignal): Promise<FeedPage> {
    let page = await this.#read(request);
    if (page.events.length === 0 && !page.more && request.waitS > 0 && !signal.aborted) {
      const after = page.position ?? request.after;
      const came = await this.#wait(
        request,
        after,
        AbortSignal.any([signal, AbortSignal.timeout(request.waitS * 1000)]),
      );
      if (came) page = await this.#read({ ...request, after });
    }
    return { events: page.events.map(toCloudEvent), position: page.position, more: page.more };
  }

  async #read(request: FeedRequest): Promise<Page> {
    // Read first: whatever is recorded up to here is seen by the read that follows, so it may serve as the cursor.
    const head = await this.log.head();
    return request.leadId === undefined ? this.#readAll(request, head) : this.#readLead(request, request.leadId, head);
  }

  async #readAll(request: FeedRequest, head: Position | null): Promise<Page> {
    const page = await this.log.readAll({
      limit: request.limit,
      filter: filterOf(request),
      ...(request.after === undefined ? {} : { after: request.after }),
    });
    const position = page.next ?? latest(head, page.events.at(-1)?.position, request.after);
    return { events: page.events, position, more: page.next !== null };
  }

  async #readLead(request: FeedRequest, leadId: string, head: Position | null): Promise<Page> {
    const types = request.types === undefined ? null : new Set(request.types);
    const wanted = (await this.log.readStream(`lead-${leadId}`)).filter(
      (event) =>
        (request.after === undefined || event.position > request.after) && (types === null || types.has(event.type)),
    );
    const events = wanted.slice(0, request.limit);
    const more = wanted.length > events.length;
    const last = events.at(-1)?.position;
    return { events, position: more ? (last ?? null) : latest(head, last, request.after), more };
  }

  /** True when something that passes the filter was recorded after `after`; false when the signal came first. */
  async #wait(request: FeedRequest, after: Position | undefined, signal: AbortSignal): Promise<boolean> {
    const subscription = this.log.subscribe({
      filter: filterOf(request),
      batchSize: 1,
      signal,
      ...(after === undefined ? {} : { after }),
    });
    for await (const batch of subscription) if (batch.events.length > 0) return true;
    return false;
  }
}

function filterOf({ types, leadId }: FeedRequest): LogFilter {
  return {
    streamPrefixes: [leadId === undefined ? 'lead-' : `lead-${leadId}`],
    ...(types === undefined ? {} : { eventTypes: types }),
  };
}

function latest(...positions: readonly (Position | null | undefined)[]): Position | null {
  let last: Position | null = null;
  for (const position of positions) if (position != null && (last === null || position > last)) last = position;
  return last;
}
