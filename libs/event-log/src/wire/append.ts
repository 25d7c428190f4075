import sharedMessages from '@eventstore/db-client/generated/shared_pb.js';
import streamMessages from '@eventstore/db-client/generated/streams_pb.js';
import type { AppendReq, AppendResp, BatchAppendReq } from '@eventstore/db-client/generated/streams_pb.js';
import { type sendUnaryData, type ServerReadableStream, status } from '@grpc/grpc-js';
import { type EmbeddedStore, MAX_APPEND_BYTES } from '../embedded-store.js';
import { EventLogError, type ExpectedRevision } from '../event-log.js';
import type { NewRecord } from '../stored-record.js';
import {
  expectedRevisionOf,
  handlerThrew,
  invalidArgument,
  RpcError,
  rpcErrorOf,
  streamNameOf,
  uuidText,
} from './protocol.js';

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Streams.Append: options first, then one message an event; one answer. */
export async function append(
  store: EmbeddedStore,
  call: ServerReadableStream<AppendReq, AppendResp>,
  callback: sendUnaryData<AppendResp>,
): Promise<void> {
  let stream = '';
  try {
    const { options, records } = await readRequest(call);
    stream = options.stream;
    try {
      const { revision, position } = await store.append(stream, options.expected, records);
      callback(null, success(revision, position));
    } catch (error) {
      if (!(error instanceof EventLogError) || error.code !== 'WRONG_EXPECTED_REVISION') throw error;
      callback(null, refused(options.expected, error.actualRevision ?? null));
    }
  } catch (error) {
    callback(rpcErrorOf(error, stream));
  }
}

async function readRequest(
  call: ServerReadableStream<AppendReq, AppendResp>,
): Promise<{ options: { stream: string; expected: ExpectedRevision }; records: NewRecord[] }> {
  let options: { stream: string; expected: ExpectedRevision } | null = null;
  const records: NewRecord[] = [];
  let size = 0;
  for await (const request of call as AsyncIterable<AppendReq>) {
    if (!options) {
      const given = request.getOptions();
      if (!given) throw handlerThrew();
      const expected = expectedRevisionOf(given);
      if (expected === null) throw invalidArgument('an expected stream revision is required');
      options = { stream: streamNameOf(given.getStreamIdentifier()), expected };
      continue;
    }
    const message = request.getProposedMessage();
    if (!message) throw handlerThrew();
    for (const property of ['type', 'content-type']) {
      if (message.getMetadataMap().has(property)) continue;
      throw new RpcError(status.INVALID_ARGUMENT, `Required Metadata Property '${property}' is missing`, {
        exception: 'missing-required-metadata-property',
        'required-metadata-properties': 'type,content-type',
      });
    }
    size += message.getData_asU8().length;
    if (size > MAX_APPEND_BYTES) {
      throw new RpcError(status.INVALID_ARGUMENT, `Maximum Append Size of ${MAX_APPEND_BYTES} Exceeded.`, {
        exception: 'maximum-append-size-exceeded',
        'maximum-append-size': String(MAX_APPEND_BYTES),
      });
    }
    records.push(recordOf(message));
  }
  if (!options || options.stream === '') throw handlerThrew();
  return { options, records };
}

/** Throws what EventStoreDB says of such an event. */
export function recordOf(message: AppendReq.ProposedMessage | BatchAppendReq.ProposedMessage): NewRecord {
  const properties = message.getMetadataMap();
  const type = properties.get('type');
  const contentType = properties.get('content-type');
  if (type === undefined || contentType === undefined) {
    throw new TypeError('The given key was not present in the dictionary.');
  }
  const id = uuidText(message.getId());
  if (id === NIL_UUID) throw new TypeError("Empty eventId provided. (Parameter 'eventId')");
  if (type === '') throw new TypeError("Empty eventType provided. (Parameter 'eventType')");
  return {
    id,
    type,
    isJson: contentType === 'application/json',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
}

function success(revision: number, position: number): AppendResp {
  const at = new streamMessages.AppendResp.Position();
  at.setCommitPosition(String(position));
  at.setPreparePosition(String(position));
  const message = new streamMessages.AppendResp.Success();
  if (revision < 0) message.setNoStream(new sharedMessages.Empty());
  else message.setCurrentRevision(String(revision));
  message.setPosition(at);
  return new streamMessages.AppendResp().setSuccess(message);
}

/** The `…2060` fields repeat it all for clients of before 20.6.1. */
function refused(expected: ExpectedRevision, actual: number | null): AppendResp {
  const message = new streamMessages.AppendResp.WrongExpectedVersion();
  const empty = new sharedMessages.Empty();
  if (actual === null) {
    message.setCurrentNoStream(empty).setNoStream2060(empty);
  } else {
    message.setCurrentRevision(String(actual)).setCurrentRevision2060(actual);
  }
  switch (expected) {
    case 'any':
      message.setExpectedAny(empty).setAny2060(empty);
      break;
    case 'stream_exists':
      message.setExpectedStreamExists(empty).setStreamExists2060(empty);
      break;
    case 'no_stream':
      message.setExpectedNoStream(empty).setExpectedRevision2060(LARGEST_REVISION);
      break;
    default:
      message.setExpectedRevision(String(expected)).setExpectedRevision2060(expected);
  }
  return new streamMessages.AppendResp().setWrongExpectedVersion(message);
}

/** EventStoreDB sends 2^64 - 1; this is the nearest the generated code can write. */
const LARGEST_REVISION = 2 ** 64 - 2 ** 11;
