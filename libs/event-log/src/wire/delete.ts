import streamMessages from '@eventstore/db-client/generated/streams_pb.js';
import type { DeleteReq, DeleteResp, TombstoneReq, TombstoneResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { EmbeddedStore } from '../embedded-store.js';
import { EventLogError } from '../event-log.js';
import {
  expectedRevisionOf,
  handlerThrew,
  invalidArgument,
  rpcErrorOf,
  streamNameOf,
  wrongExpectedVersion,
} from './protocol.js';

/** Streams.Delete: the stream reads as missing, a later append goes on with the next revision. */
export async function softDelete(
  store: EmbeddedStore,
  call: ServerUnaryCall<DeleteReq, DeleteResp>,
  callback: sendUnaryData<DeleteResp>,
): Promise<void> {
  await answering(callback, async () => {
    const position = new streamMessages.DeleteResp.Position();
    const commit = String(await remove(store, call.request.getOptions(), 'soft'));
    position.setCommitPosition(commit);
    position.setPreparePosition(commit);
    return new streamMessages.DeleteResp().setPosition(position);
  });
}

/** Streams.Tombstone: for good. */
export async function tombstone(
  store: EmbeddedStore,
  call: ServerUnaryCall<TombstoneReq, TombstoneResp>,
  callback: sendUnaryData<TombstoneResp>,
): Promise<void> {
  await answering(callback, async () => {
    const position = new streamMessages.TombstoneResp.Position();
    const commit = String(await remove(store, call.request.getOptions(), 'hard'));
    position.setCommitPosition(commit);
    position.setPreparePosition(commit);
    return new streamMessages.TombstoneResp().setPosition(position);
  });
}

async function answering<T>(callback: sendUnaryData<T>, answer: () => Promise<T>): Promise<void> {
  let response: T;
  try {
    response = await answer();
  } catch (error) {
    callback(rpcErrorOf(error));
    return;
  }
  callback(null, response);
}

async function remove(
  store: EmbeddedStore,
  options: DeleteReq.Options | TombstoneReq.Options | undefined,
  how: 'soft' | 'hard',
): Promise<number> {
  const stream = streamNameOf(options?.getStreamIdentifier());
  if (!options || stream === '') throw handlerThrew();
  const expected = expectedRevisionOf(options);
  if (expected === null) throw invalidArgument('an expected stream revision is required');
  try {
    return await store.delete(stream, expected, how);
  } catch (error) {
    if (error instanceof EventLogError && error.code === 'WRONG_EXPECTED_REVISION') {
      throw wrongExpectedVersion('Delete', stream, expected, error.actualRevision ?? null);
    }
    throw rpcErrorOf(error, stream);
  }
}
