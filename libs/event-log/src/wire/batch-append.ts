import sharedMessages from '@eventstore/db-client/generated/shared_pb.js';
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import statusMessages from '@eventstore/db-client/generated/status_pb.js';
import type { Status } from '@eventstore/db-client/generated/status_pb.js';
import streamMessages from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import codes from '@eventstore/db-client/generated/code_pb.js';
import type { Code } from '@eventstore/db-client/generated/code_pb.js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import anyMessages from 'google-protobuf/google/protobuf/any_pb.js';
import emptyMessages from 'google-protobuf/google/protobuf/empty_pb.js';
import { type EmbeddedStore, MAX_APPEND_BYTES } from '../embedded-store.js';
import { EventLogError, type ExpectedRevision } from '../event-log.js';
import type { NewRecord } from '../stored-record.js';
import { recordOf } from './append.js';
import { drained } from './pump.js';
import {
  expectedRevisionOf,
  invalidArgument,
  rpcErrorOf,
  streamIdentifier,
  streamNameOf,
  uuidMessage,
  uuidText,
} from './protocol.js';

/** A longer deadline of a client is cut to it (EventStoreDB: its setting `WriteTimeoutMs`). */
const WRITE_TIMEOUT_MS = 10_000;

/** An append whose fragments are still coming, or that is being written. */
interface Pending {
  readonly correlationId: string;
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly records: NewRecord[];
  readonly timer: NodeJS.Timeout;
  readonly timeoutMs: number;
  size: number;
}

/**
 * Streams.BatchAppend: any number of appends over one call, each in fragments under a correlation id, each answered when it
 * is durable, in whatever order that is. What goes wrong with one is its answer; the call goes on. Deadlines are
 * instants of `clock`.
 */
export function batchAppend(
  store: EmbeddedStore,
  clock: { nowMs(): number },
  call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>,
): void {
  const collecting = new Map<string, Pending>();
  let unanswered = 0;
  let ended = false;

  const send = (response: BatchAppendResp): void => {
    if (call.cancelled || call.destroyed) return;
    // a client that does not read its answers may send no more requests
    if (!call.write(response) && !call.isPaused()) {
      call.pause();
      void drained(call).then(() => call.resume());
    }
  };
  const finish = (): void => {
    if (ended && unanswered === 0) call.end();
  };

  const receive = (request: BatchAppendReq): void => {
    const correlationId = uuidText(request.getCorrelationId()).toLowerCase();
    const options = request.getOptions();
    if (options) {
      const identifier = options.getStreamIdentifier();
      const refuse = (error: Status): void => send(answer(request.getCorrelationId(), identifier, error));
      const stream = streamNameOf(identifier);
      if (!identifier) return refuse(badRequest('Required field StreamIdentifier not set.'));
      const timeoutMs = Math.min(requestedTimeoutMs(clock.nowMs(), options), WRITE_TIMEOUT_MS);
      if (timeoutMs <= 0) return refuse(timedOut());
      if (!collecting.has(correlationId)) {
        const expected = expectedRevisionOf(options);
        if (expected === null) throw invalidArgument('an expected stream position is required');
        const timer = setTimeout(() => {
          if (!collecting.delete(correlationId)) return;
          send(answer(uuidMessage(correlationId, 'structured'), streamIdentifier(stream), timedOut()));
        }, timeoutMs);
        collecting.set(correlationId, { correlationId, stream, expected, records: [], timer, timeoutMs, size: 0 });
      }
    }
    const pending = collecting.get(correlationId);
    if (!pending) return;
    for (const message of request.getProposedMessagesList()) {
      const record = recordOf(message);
      pending.size += record.data.length;
      pending.records.push(record);
    }
    if (pending.size > MAX_APPEND_BYTES) {
      drop(pending);
      send(answer(request.getCorrelationId(), streamIdentifier(pending.stream), tooLarge()));
      return;
    }
    if (!request.getIsFinal()) return;
    drop(pending);
    unanswered += 1;
    void write(store, pending).then((outcome) => {
      send(answer(request.getCorrelationId(), streamIdentifier(pending.stream), outcome));
      unanswered -= 1;
      finish();
    });
  };
  const drop = (pending: Pending): void => {
    clearTimeout(pending.timer);
    collecting.delete(pending.correlationId);
  };

  call.on('data', (request: BatchAppendReq) => {
    try {
      receive(request);
    } catch (error) {
      const { message } = error as Error;
      send(answer(request.getCorrelationId(), request.getOptions()?.getStreamIdentifier(), badRequest(message)));
    }
  });
  call.on('end', () => {
    ended = true;
    finish();
  });
  const abandon = (): void => {
    for (const pending of collecting.values()) clearTimeout(pending.timer);
    collecting.clear();
  };
  call.on('cancelled', abandon);
  call.on('close', abandon);
  call.on('error', () => {});
}

type Outcome = Status | { readonly revision: number; readonly position: number };

async function write(store: EmbeddedStore, pending: Pending): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Status>((resolve) => {
    timer = setTimeout(() => resolve(timedOut()), pending.timeoutMs);
  });
  try {
    return await Promise.race([store.append(pending.stream, pending.expected, pending.records), late]);
  } catch (error) {
    return failed(error, pending);
  } finally {
    clearTimeout(timer);
  }
}

function failed(error: unknown, { stream, expected }: Pending): Status {
  if (!(error instanceof EventLogError)) return badRequest((error as Error).message);
  switch (error.code) {
    case 'WRONG_EXPECTED_REVISION':
      return wrongExpectedVersion(expected, error.actualRevision ?? null);
    case 'STREAM_DELETED': {
      const details = new sharedMessages.StreamDeleted();
      details.setStreamIdentifier(streamIdentifier(stream));
      return statusOf(codes.Code.NOT_FOUND, 'StreamDeleted', 'event_store.client.StreamDeleted', details);
    }
    case 'APPEND_TOO_LARGE':
      return tooLarge();
    case 'STORE_UNAVAILABLE':
      return statusOf(codes.Code.OK, rpcErrorOf(error).details, 'event_store.client.Empty', new sharedMessages.Empty());
  }
}

function answer(
  correlationId: UUID | undefined,
  identifier: StreamIdentifier | undefined,
  outcome: Outcome,
): BatchAppendResp {
  const response = new streamMessages.BatchAppendResp();
  response.setCorrelationId(correlationId);
  response.setStreamIdentifier(identifier);
  if (!('revision' in outcome)) return response.setError(outcome);
  const success = new streamMessages.BatchAppendResp.Success();
  if (outcome.revision < 0) success.setNoStream(new emptyMessages.Empty());
  else success.setCurrentRevision(String(outcome.revision));
  const position = new sharedMessages.AllStreamPosition();
  position.setCommitPosition(String(outcome.position));
  position.setPreparePosition(String(outcome.position));
  success.setPosition(position);
  return response.setSuccess(success);
}

function wrongExpectedVersion(expected: ExpectedRevision, actual: number | null): Status {
  const details = new sharedMessages.WrongExpectedVersion();
  const empty = new emptyMessages.Empty();
  if (actual === null) details.setCurrentNoStream(empty);
  else details.setCurrentStreamRevision(String(actual));
  switch (expected) {
    case 'any':
      details.setExpectedAny(empty);
      break;
    case 'stream_exists':
      details.setExpectedStreamExists(empty);
      break;
    case 'no_stream':
      details.setExpectedNoStream(empty);
      break;
    default:
      details.setExpectedStreamPosition(String(expected));
  }
  return statusOf(
    codes.Code.ALREADY_EXISTS,
    'WrongExpectedVersion',
    'event_store.client.WrongExpectedVersion',
    details,
  );
}

function tooLarge(): Status {
  const details = new sharedMessages.MaximumAppendSizeExceeded();
  details.setMaxappendsize(MAX_APPEND_BYTES);
  const type = 'event_store.client.MaximumAppendSizeExceeded';
  return statusOf(codes.Code.INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', type, details);
}

function badRequest(message: string): Status {
  const details = new sharedMessages.BadRequest();
  details.setMessage(message);
  return statusOf(codes.Code.INVALID_ARGUMENT, 'BadRequest', 'event_store.client.BadRequest', details);
}

function timedOut(): Status {
  return statusOf(codes.Code.DEADLINE_EXCEEDED, 'Timeout', 'event_store.client.Timeout', new sharedMessages.Timeout());
}

function statusOf(code: Code, message: string, type: string, details: { serializeBinary(): Uint8Array }): Status {
  const any = new anyMessages.Any();
  any.pack(details.serializeBinary(), type);
  const outcome = new statusMessages.Status();
  outcome.setCode(code);
  outcome.setMessage(message);
  return outcome.setDetails(any);
}

function requestedTimeoutMs(nowMs: number, options: BatchAppendReq.Options): number {
  const deadline = options.getDeadline();
  return deadline ? deadline.getSeconds() * 1000 + deadline.getNanos() / 1e6 - nowMs : Number.POSITIVE_INFINITY;
}
