import { randomUUID } from 'node:crypto';
import streamMessages from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { status } from '@grpc/grpc-js';
import type { EmbeddedStore } from '../embedded-store.js';
import { type RecordView, TOMBSTONE_REVISION } from '../stored-record.js';
import {
  handlerThrew,
  invalidArgument,
  plainBytes,
  RpcError,
  streamDeleted,
  streamIdentifier,
  streamNameOf,
  uuidMessage,
} from './protocol.js';

const PAGE = 128;
/** EventStoreDB's page, which is also the search window where a filter names none. */
const SEARCH_WINDOW = 32;
const SCAN = 1_000;
/** So much of the log is held for a client at a time, however slowly it reads (one event at least). */
const PAGE_BYTES = 262_144;

type Allows = (record: RecordView) => boolean;

interface Shape {
  readonly uuids: 'string' | 'structured';
  readonly resolveLinks: boolean;
}

/** Streams.Read: one stream or all, a count of events or a subscription. */
export function read(store: EmbeddedStore, request: ReadReq, signal: AbortSignal): AsyncIterable<ReadResp> {
  const options = request.getOptions();
  if (!options) throw handlerThrew();
  const shape: Shape = {
    uuids: options.getUuidOption()?.hasString() ? 'string' : 'structured',
    resolveLinks: options.getResolveLinks(),
  };
  const backwards = options.getReadDirection() === streamMessages.ReadReq.Options.ReadDirection.BACKWARDS;
  const stream = options.getStream();
  const all = options.getAll();
  const filter = options.getFilter();
  if (options.hasSubscription()) {
    if (backwards || (stream && filter)) throw invalidArgument('The combination of read options is invalid.');
    if (stream) return subscribeToStream(store, stream, shape, signal);
    if (all) return subscribeToAll(store, all, filter, shape, signal);
  }
  if (options.hasCount()) {
    const count = Number(options.getCount());
    if (stream && !filter) {
      const compatibility = options.getControlOption()?.getCompatibility() ?? 0;
      return readStream(store, stream, { count, backwards, compatibility }, shape);
    }
    if (all) return readAll(store, all, filter, { count, backwards }, shape);
  }
  throw invalidArgument('The combination of read options is invalid.');
}

async function* readStream(
  store: EmbeddedStore,
  options: ReadReq.Options.StreamOptions,
  { count, backwards, compatibility }: { count: number; backwards: boolean; compatibility: number },
  shape: Shape,
): AsyncGenerator<ReadResp> {
  const stream = streamNameOf(options.getStreamIdentifier());
  if (stream === '') throw handlerThrew();
  if (count <= 0) throw new RpcError(status.UNKNOWN, 'Unexpected ReadStreamResult: Error');
  const direction = backwards ? 'backwards' : 'forwards';
  const start = options.hasRevision() ? Number(options.getRevision()) : options.hasEnd() ? Infinity : 0;
  // at the end there is nothing to read forwards; EventStoreDB's number for it cannot be read from either
  if (!backwards && start === Infinity) throw new RpcError(status.UNKNOWN, 'Unexpected ReadStreamResult: Error');
  let from = start;
  let sent = 0;
  for (;;) {
    const limit = Math.min(PAGE, count - sent);
    const slice = store.readStream(stream, { from, direction, limit, maxBytes: PAGE_BYTES }, (record) => ({
      revision: record.revision,
      frame: eventFrame(store, record, shape),
    }));
    if (slice.state === 'deleted') throw streamDeleted(stream);
    if (slice.state === 'missing') {
      yield streamNotFound(stream);
      return;
    }
    if (compatibility >= 1 && !backwards && sent === 0 && slice.items.length === 0) {
      const first = Math.min(Math.max(start, slice.firstRevision), slice.lastRevision + 1);
      if (first !== start) yield new streamMessages.ReadResp().setFirstStreamPosition(String(first));
    }
    for (const { frame } of slice.items) yield frame;
    sent += slice.items.length;
    const last = slice.items.at(-1);
    if (!last || slice.complete || sent >= count || (backwards && last.revision === 0)) {
      if (compatibility >= 1) {
        yield new streamMessages.ReadResp().setLastStreamPosition(String(slice.lastRevision));
      }
      return;
    }
    from = backwards ? last.revision - 1 : last.revision + 1;
  }
}

async function* readAll(
  store: EmbeddedStore,
  options: ReadReq.Options.AllOptions,
  filter: ReadReq.Options.FilterOptions | undefined,
  { count, backwards }: { count: number; backwards: boolean },
  shape: Shape,
): AsyncGenerator<ReadResp> {
  if (count <= 0)
    throw new RpcError(status.UNKNOWN, `Unexpected ${filter ? 'FilteredReadAllResult' : 'ReadAllResult'}: Error`);
  const allows = filter ? filterOf(filter) : (): boolean => true;
  const start = positionOf(options);
  // forwards the event at the position is the first, backwards the one before it
  let from = backwards ? (start === 'end' ? Infinity : start - 1) : start === 'end' ? Infinity : start;
  let left = count;
  while (left > 0) {
    const slice = store.readAll(
      {
        from,
        direction: backwards ? 'backwards' : 'forwards',
        limit: Math.min(left, PAGE),
        scanLimit: SCAN,
        maxBytes: PAGE_BYTES,
      },
      (record) => (allows(record) ? eventFrame(store, record, shape) : undefined),
    );
    yield* slice.items;
    left -= slice.items.length;
    if (slice.atEnd) return;
    from = slice.scannedTo + (backwards ? -1 : 1);
    await nextTurn();
  }
}

async function* subscribeToStream(
  store: EmbeddedStore,
  options: ReadReq.Options.StreamOptions,
  shape: Shape,
  signal: AbortSignal,
): AsyncGenerator<ReadResp> {
  const stream = streamNameOf(options.getStreamIdentifier());
  if (stream === '') throw handlerThrew();
  const look = (
    from: number,
    limit: number,
  ): ReturnType<typeof store.readStream<{ revision: number; frame: ReadResp }>> =>
    store.readStream(stream, { from, limit, maxBytes: PAGE_BYTES }, (record) => ({
      revision: record.revision,
      frame: eventFrame(store, record, shape),
    }));
  const first = look(0, 0);
  if (first.state === 'deleted') throw streamDeleted(stream);
  let from = options.hasEnd() ? first.lastRevision + 1 : options.hasRevision() ? Number(options.getRevision()) + 1 : 0;
  yield confirmation();
  let caughtUp = options.hasEnd();
  if (caughtUp) yield new streamMessages.ReadResp().setCaughtUp(new streamMessages.ReadResp.CaughtUp());
  while (!signal.aborted) {
    const seen = store.head;
    const slice = look(from, PAGE);
    if (slice.state === 'deleted') throw streamDeleted(stream);
    for (const { revision, frame } of slice.items) {
      yield frame;
      from = revision + 1;
    }
    if (!slice.complete) {
      await nextTurn();
      continue;
    }
    if (!caughtUp && slice.state === 'exists') {
      caughtUp = true;
      yield new streamMessages.ReadResp().setCaughtUp(new streamMessages.ReadResp.CaughtUp());
    }
    await store.waitBeyond(seen, signal);
    if (store.closed) throw new RpcError(status.UNAVAILABLE, 'Server Is Not Ready');
  }
}

async function* subscribeToAll(
  store: EmbeddedStore,
  options: ReadReq.Options.AllOptions,
  filter: ReadReq.Options.FilterOptions | undefined,
  shape: Shape,
  signal: AbortSignal,
): AsyncGenerator<ReadResp> {
  const allows = filter ? filterOf(filter) : (): boolean => true;
  const window = filter?.hasMax() ? filter.getMax() : SEARCH_WINDOW;
  const interval = window * (filter?.getCheckpointintervalmultiplier() ?? 1);
  if (interval <= 0) throw handlerThrew();
  const start = positionOf(options);
  let scannedTo = start === 'end' ? store.head : start;
  yield confirmation();
  let caughtUp = false;
  let considered = 0;
  while (!signal.aborted) {
    const slice = store.readAll(
      {
        from: scannedTo + 1,
        limit: filter ? Infinity : PAGE,
        // a filtered page ends where a checkpoint is due, so that it stands right behind what it covers
        scanLimit: filter ? Math.min(interval - considered, SCAN) : PAGE,
        maxBytes: PAGE_BYTES,
      },
      (record) => (allows(record) ? eventFrame(store, record, shape) : undefined),
    );
    yield* slice.items;
    if (slice.scannedTo > scannedTo) {
      considered += slice.scannedTo - scannedTo;
      scannedTo = slice.scannedTo;
    }
    if (filter && considered >= interval) {
      considered = 0;
      yield checkpoint(scannedTo);
    }
    if (!slice.atEnd) {
      await nextTurn();
      continue;
    }
    if (!caughtUp) {
      caughtUp = true;
      yield new streamMessages.ReadResp().setCaughtUp(new streamMessages.ReadResp.CaughtUp());
    }
    await store.waitBeyond(scannedTo, signal);
    if (store.closed) throw new RpcError(status.UNAVAILABLE, 'Server Is Not Ready');
  }
}

function positionOf(options: ReadReq.Options.AllOptions): number | 'end' {
  if (options.hasEnd()) return 'end';
  const position = options.getPosition();
  if (!position) return 0;
  const commit = BigInt(position.getCommitPosition());
  if (commit < BigInt(position.getPreparePosition())) throw handlerThrew();
  // 2^64 - 1 is how a position says "the end"
  return commit === 0xffff_ffff_ffff_ffffn ? 'end' : Number(commit);
}

function filterOf(filter: ReadReq.Options.FilterOptions): Allows {
  const byStream = filter.getStreamIdentifier();
  const expression = byStream ?? filter.getEventType();
  if (!expression) throw invalidArgument('a filter needs an expression');
  if (!filter.hasMax() && !filter.hasCount()) throw invalidArgument('a filter needs a window');
  const subject = byStream
    ? (record: RecordView): string => record.stream
    : (record: RecordView): string => record.type;
  if (expression.getRegex() !== '') {
    let regex: RegExp;
    try {
      regex = new RegExp(expression.getRegex(), 'u');
    } catch {
      throw handlerThrew();
    }
    return (record) => regex.test(subject(record));
  }
  const prefixes = expression.getPrefixList();
  return (record) => {
    const text = subject(record);
    return prefixes.some((prefix) => text.startsWith(prefix));
  };
}

function eventFrame(store: EmbeddedStore, record: RecordView, shape: Shape): ReadResp {
  const event = new streamMessages.ReadResp.ReadEvent();
  const target = shape.resolveLinks && record.type === '$>' ? linkTarget(store, record, shape) : null;
  if (target === null) {
    event.setEvent(recordedEvent(record, shape));
  } else {
    event.setLink(recordedEvent(record, shape));
    event.setEvent(target);
  }
  event.setCommitPosition(String(record.position));
  return new streamMessages.ReadResp().setEvent(event);
}

/** Null: not a link after all; undefined: what it points to is gone. */
function linkTarget(
  store: EmbeddedStore,
  link: RecordView,
  shape: Shape,
): ReadResp.ReadEvent.RecordedEvent | null | undefined {
  const [, revision, stream] = /^(\d+)@(.+)$/s.exec(link.dataText) ?? [];
  if (revision === undefined || stream === undefined) return null;
  const from = Number(revision);
  const { items } = store.readStream(stream, { from, limit: 1 }, (record) =>
    record.revision === from ? recordedEvent(record, shape) : undefined,
  );
  return items[0];
}

function recordedEvent(record: RecordView, { uuids }: Shape): ReadResp.ReadEvent.RecordedEvent {
  const event = new streamMessages.ReadResp.ReadEvent.RecordedEvent();
  const position = String(record.position);
  event.setId(uuidMessage(record.id, uuids));
  event.setStreamIdentifier(streamIdentifier(record.stream));
  event.setStreamRevision(record.isTombstone ? TOMBSTONE_REVISION.toString() : String(record.revision));
  event.setCommitPosition(position);
  event.setPreparePosition(position);
  event
    .getMetadataMap()
    .set('type', record.type)
    // ticks of 100 ns since the Unix epoch
    .set('created', `${record.createdMs}0000`)
    .set('content-type', record.isJson ? 'application/json' : 'application/octet-stream');
  event.setData(plainBytes(record.data));
  event.setCustomMetadata(plainBytes(record.metadata));
  return event;
}

function confirmation(): ReadResp {
  const message = new streamMessages.ReadResp.SubscriptionConfirmation();
  message.setSubscriptionId(randomUUID());
  return new streamMessages.ReadResp().setConfirmation(message);
}

function checkpoint(position: number): ReadResp {
  const message = new streamMessages.ReadResp.Checkpoint();
  message.setCommitPosition(String(position));
  message.setPreparePosition(String(position));
  return new streamMessages.ReadResp().setCheckpoint(message);
}

function streamNotFound(stream: string): ReadResp {
  const message = new streamMessages.ReadResp.StreamNotFound();
  message.setStreamIdentifier(streamIdentifier(stream));
  return new streamMessages.ReadResp().setStreamNotFound(message);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
