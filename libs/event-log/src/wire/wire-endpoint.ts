import { randomUUID } from 'node:crypto';
import gossipServices from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossipMessages from '@eventstore/db-client/generated/gossip_pb.js';
import featureServices from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import featureMessages from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import streamServices from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { type sendUnaryData, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import type { EmbeddedLog } from '../embedded-log.js';
import type { EmbeddedStore } from '../embedded-store.js';
import { append } from './append.js';
import { batchAppend } from './batch-append.js';
import { softDelete, tombstone } from './delete.js';
import { rpcErrorOf, uuidMessage } from './protocol.js';
import { pump } from './pump.js';
import { read } from './read.js';

/** The server whose protocol this is; clients decide by it and by the list of methods what they may ask. */
const PROTOCOL_VERSION = '23.10.6';
const LEADER = gossipMessages.MemberInfo.VNodeState.LEADER;

/** An event of this size was never accepted by EventStoreDB: up to here a request is read, to be refused properly. */
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

/** Each method that is served, as the feature list names it. What is not here answers UNIMPLEMENTED. */
const METHODS: readonly { readonly service: string; readonly method: string; readonly features?: readonly string[] }[] =
  [
    { service: 'event_store.client.streams.streams', method: 'read', features: ['position', 'events'] },
    { service: 'event_store.client.streams.streams', method: 'append' },
    { service: 'event_store.client.streams.streams', method: 'delete' },
    { service: 'event_store.client.streams.streams', method: 'tombstone' },
    // without EventStoreDB's `deadline_duration`: the definitions at hand only know deadlines as instants
    { service: 'event_store.client.streams.streams', method: 'batchappend' },
    { service: 'event_store.client.gossip.gossip', method: 'read' },
    { service: 'event_store.client.server_features.serverfeatures', method: 'getsupportedmethods' },
  ];

export interface WireEndpoint {
  readonly port: number;
  /** Ends all calls; the log stays open. */
  close(): Promise<void>;
}

/**
 * The embedded log over EventStoreDB's own gRPC protocol, for its clients in any language: `esdb://127.0.0.1:<port>?tls=false`.
 * It has no access control: it listens on loopback. `port` 0 takes a free one; rejects when the port is taken. `clock` is the
 * machine's, by which clients tell their deadlines; default: the log's, which may be driven by hand.
 */
export async function startWireEndpoint(
  log: EmbeddedLog,
  options: { port: number; clock?: { nowMs(): number } },
): Promise<WireEndpoint> {
  const host = '127.0.0.1';
  const { store } = log;
  const { clock = store.clock } = options;
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  let { port } = options;
  await writeFirstEvent(store);
  addStreams(server, store, clock);
  addFeatures(server);
  addGossip(server, () => ({ host, port, nowMs: clock.nowMs() }));
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, close: async () => server.forceShutdown() };
}

/** As in EventStoreDB, `$all` is never empty: its clients are written, and tested, with that in mind. */
async function writeFirstEvent(store: EmbeddedStore): Promise<void> {
  if (store.readStream('$$$scavenges', { limit: 0 }, () => undefined).state !== 'missing') return;
  const record = { type: '$metadata', isJson: true, data: '{"$maxAge":2592000}', metadata: '' };
  await store.append('$$$scavenges', 'any', [{ id: randomUUID(), ...record }]);
}

function addStreams(server: Server, store: EmbeddedStore, clock: { nowMs(): number }): void {
  server.addService(streamServices.StreamsService, {
    read: (call: ServerWritableStream<ReadReq, ReadResp>) => {
      void pump(call, (signal) => {
        try {
          return read(store, call.request, signal);
        } catch (error) {
          throw rpcErrorOf(error);
        }
      });
    },
    append: (call: Parameters<typeof append>[1], callback: Parameters<typeof append>[2]) => {
      void append(store, call, callback);
    },
    batchAppend: (call: Parameters<typeof batchAppend>[2]) => batchAppend(store, clock, call),
    delete: (call: Parameters<typeof softDelete>[1], callback: Parameters<typeof softDelete>[2]) => {
      void softDelete(store, call, callback);
    },
    tombstone: (call: Parameters<typeof tombstone>[1], callback: Parameters<typeof tombstone>[2]) => {
      void tombstone(store, call, callback);
    },
  });
}

function addFeatures(server: Server): void {
  const supported = new featureMessages.SupportedMethods();
  supported.setEventStoreServerVersion(PROTOCOL_VERSION);
  supported.setMethodsList(
    METHODS.map(({ service, method, features }) => {
      const message = new featureMessages.SupportedMethod();
      message.setServiceName(service);
      message.setMethodName(method);
      return message.setFeaturesList([...(features ?? [])]);
    }),
  );
  server.addService(featureServices.ServerFeaturesService, {
    getSupportedMethods: (_: unknown, callback: sendUnaryData<SupportedMethods>) => callback(null, supported),
  });
}

/** One node, which leads: for connection strings that discover a cluster. */
function addGossip(server: Server, self: () => { host: string; port: number; nowMs: number }): void {
  const instanceId = randomUUID();
  server.addService(gossipServices.GossipService, {
    read: (_: unknown, callback: sendUnaryData<ClusterInfo>) => {
      const { host, port, nowMs } = self();
      const address = new gossipMessages.EndPoint();
      address.setAddress(host);
      address.setPort(port);
      const member = new gossipMessages.MemberInfo();
      member.setInstanceId(uuidMessage(instanceId, 'structured'));
      member.setTimeStamp(`${nowMs}0000`);
      member.setState(LEADER);
      member.setIsAlive(true);
      member.setHttpEndPoint(address);
      callback(null, new gossipMessages.ClusterInfo().setMembersList([member]));
    },
  });
}
