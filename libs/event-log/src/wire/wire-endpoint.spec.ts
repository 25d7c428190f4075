import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import gossipServices from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import featureServices from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import services from '@eventstore/db-client/generated/streams_grpc_pb.js';
import messages from '@eventstore/db-client/generated/streams_pb.js';
import type {
  AppendReq,
  BatchAppendReq,
  BatchAppendResp,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import { credentials, makeGenericClientConstructor, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import timestamp from 'google-protobuf/google/protobuf/timestamp_pb.js';
import { EmbeddedLog } from '../embedded-log.js';
import { startWireEndpoint, type WireEndpoint } from './wire-endpoint.js';

/*
 * The calls, and the answers expected, of a real EventStoreDB 23.10.6 (single node, insecure), made by hand over gRPC.
 * Positions are numbers of ours and therefore not compared.
 */

interface Ended {
  readonly frames: ReadResp.AsObject[];
  readonly error?: { code: status; details: string; trailers: Record<string, unknown> };
}

const REVISION_LAST = 5;

describe('the wire endpoint', () => {
  let dir: string;
  let log: EmbeddedLog;
  let endpoint: WireEndpoint;
  let client: InstanceType<typeof services.StreamsClient>;
  let stream: string;
  let tombstoned: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wire-endpoint-'));
    log = await EmbeddedLog.open({ dir, clock: { nowMs: () => Date.now() } });
    endpoint = await startWireEndpoint(log, { port: 0 });
    client = new services.StreamsClient(`127.0.0.1:${endpoint.port}`, credentials.createInsecure());
    stream = `probe-${randomUUID().slice(0, 8)}`;
    for (let n = 0; n < REVISION_LAST; n += 1) await append(stream, 'any', [proposed({})]);
    await append(stream, 'any', [proposed({ type: 'bin', 'content-type': 'application/octet-stream' })]);
    tombstoned = `probe-${randomUUID().slice(0, 8)}`;
    await remove('tombstone', tombstoned, 'any');
  });

  afterAll(async () => {
    client.close();
    await endpoint.close();
    await log.close();
    rmSync(dir, { recursive: true });
  });

  // ---- calls

  function identifier(name: string): InstanceType<typeof shared.StreamIdentifier> {
    return new shared.StreamIdentifier().setStreamName(new Uint8Array(Buffer.from(name)));
  }

  function proposed(
    properties: Record<string, string | null>,
    options: { id?: string; bytes?: number } = {},
  ): AppendReq.ProposedMessage {
    const message = new messages.AppendReq.ProposedMessage();
    message.setId(new shared.UUID().setString(options.id ?? randomUUID()));
    for (const [key, value] of Object.entries({ type: 't', 'content-type': 'application/json', ...properties })) {
      if (value !== null) message.getMetadataMap().set(key, value);
    }
    return message.setData(new Uint8Array(Buffer.from(options.bytes ? 'x'.repeat(options.bytes) : '{"a":1}')));
  }

  type Expected = number | 'any' | 'no_stream' | 'stream_exists';

  function append(name: string, expected: Expected, events: AppendReq.ProposedMessage[]): Promise<unknown> {
    const options = new messages.AppendReq.Options().setStreamIdentifier(identifier(name));
    if (expected === 'any') options.setAny(new shared.Empty());
    else if (expected === 'no_stream') options.setNoStream(new shared.Empty());
    else if (expected === 'stream_exists') options.setStreamExists(new shared.Empty());
    else options.setRevision(String(expected));
    return new Promise((resolve) => {
      const call = client.append((error, response) => resolve(error ? plain(error) : defined(response.toObject())));
      call.write(new messages.AppendReq().setOptions(options));
      for (const event of events) call.write(new messages.AppendReq().setProposedMessage(event));
      call.end();
    });
  }

  function remove(how: 'delete' | 'tombstone', name: string, expected: Expected): Promise<unknown> {
    const request = how === 'delete' ? new messages.DeleteReq() : new messages.TombstoneReq();
    const options = how === 'delete' ? new messages.DeleteReq.Options() : new messages.TombstoneReq.Options();
    options.setStreamIdentifier(identifier(name));
    if (expected === 'any') options.setAny(new shared.Empty());
    else if (expected === 'no_stream') options.setNoStream(new shared.Empty());
    else if (expected === 'stream_exists') options.setStreamExists(new shared.Empty());
    else options.setRevision(String(expected));
    request.setOptions(options);
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response?: { toObject(): object }): void =>
        resolve(error ? plain(error) : response!.toObject());
      if (how === 'delete') client.delete(request, done);
      else client.tombstone(request, done);
    });
  }

  interface Reading {
    stream?: string;
    revision?: number | 'end';
    position?: [commit: number, prepare: number] | 'end';
    backwards?: boolean;
    count?: number;
    subscribe?: boolean;
    compatibility?: number;
    filter?: { prefixes?: string[]; regex?: string; on?: 'stream' | 'type'; max?: number; multiplier?: number };
    uuids?: 'structured';
  }

  function readRequest(how: Reading): ReadReq {
    const options = new messages.ReadReq.Options();
    if (how.stream === undefined) {
      const all = new messages.ReadReq.Options.AllOptions();
      if (how.position === 'end') all.setEnd(new shared.Empty());
      else if (how.position) {
        const position = new messages.ReadReq.Options.Position();
        position.setCommitPosition(String(how.position[0]));
        all.setPosition(position.setPreparePosition(String(how.position[1])));
      } else all.setStart(new shared.Empty());
      options.setAll(all);
    } else {
      const one = new messages.ReadReq.Options.StreamOptions().setStreamIdentifier(identifier(how.stream));
      if (how.revision === 'end') one.setEnd(new shared.Empty());
      else if (how.revision === undefined) one.setStart(new shared.Empty());
      else one.setRevision(String(how.revision));
      options.setStream(one);
    }
    const { FORWARDS, BACKWARDS } = messages.ReadReq.Options.ReadDirection;
    options.setReadDirection(how.backwards ? BACKWARDS : FORWARDS);
    if (how.subscribe) options.setSubscription(new messages.ReadReq.Options.SubscriptionOptions());
    else options.setCount(String(how.count ?? 1000));
    if (how.filter) {
      const { prefixes, regex, on = 'stream', max, multiplier = 1 } = how.filter;
      const expression = new messages.ReadReq.Options.FilterOptions.Expression();
      if (prefixes) expression.setPrefixList(prefixes);
      if (regex) expression.setRegex(regex);
      const filter = new messages.ReadReq.Options.FilterOptions();
      if (on === 'stream') filter.setStreamIdentifier(expression);
      else filter.setEventType(expression);
      if (max === undefined) filter.setCount(new shared.Empty());
      else filter.setMax(max);
      options.setFilter(filter.setCheckpointintervalmultiplier(multiplier));
    } else options.setNoFilter(new shared.Empty());
    const uuids = new messages.ReadReq.Options.UUIDOption();
    if (how.uuids) uuids.setStructured(new shared.Empty());
    else uuids.setString(new shared.Empty());
    options.setUuidOption(uuids);
    if (how.compatibility !== undefined) {
      options.setControlOption(new messages.ReadReq.Options.ControlOption().setCompatibility(how.compatibility));
    }
    return new messages.ReadReq().setOptions(options);
  }

  function read(how: Reading): Promise<Ended> {
    return new Promise((resolve) => {
      const frames: ReadResp.AsObject[] = [];
      const call = client.read(readRequest(how));
      call.on('data', (frame: ReadResp) => frames.push(frame.toObject()));
      call.on('error', (error: ServiceError) => resolve({ frames, error: plain(error) }));
      call.on('end', () => resolve({ frames }));
    });
  }

  /** Reads a subscription until so many frames have come, then a little longer, then cancels it. */
  async function follow(how: Reading, count: number, meanwhile?: () => Promise<unknown>): Promise<Ended> {
    const frames: ReadResp.AsObject[] = [];
    const call = client.read(readRequest({ ...how, subscribe: true }));
    return new Promise((resolve, reject) => {
      let started = false;
      call.on('data', (frame: ReadResp) => {
        frames.push(frame.toObject());
        if (frame.hasCaughtUp() && meanwhile && !started) {
          started = true;
          meanwhile().catch(reject);
        }
        if (frames.length === count) setTimeout(() => call.cancel(), 100);
      });
      call.on('error', (error: ServiceError) => resolve({ frames, error: plain(error) }));
    });
  }

  function batchFragment(
    id: string,
    options: BatchAppendReq.Options | null,
    events: AppendReq.ProposedMessage[],
    isFinal = true,
  ): BatchAppendReq {
    const request = new messages.BatchAppendReq().setCorrelationId(new shared.UUID().setString(id)).setIsFinal(isFinal);
    if (options) request.setOptions(options);
    request.setProposedMessagesList(
      events.map((event) => {
        const message = new messages.BatchAppendReq.ProposedMessage().setId(event.getId()).setData(event.getData());
        event.getMetadataMap().forEach((value: string, key: string) => message.getMetadataMap().set(key, value));
        return message;
      }),
    );
    return request;
  }

  function batchOptions(name: string, expected: Expected, deadlineMs = 5000): BatchAppendReq.Options {
    const options = new messages.BatchAppendReq.Options().setStreamIdentifier(identifier(name));
    if (expected === 'any') options.setAny(new empty.Empty());
    else if (expected === 'no_stream') options.setNoStream(new empty.Empty());
    else if (expected === 'stream_exists') options.setStreamExists(new empty.Empty());
    else options.setStreamPosition(String(expected));
    const deadline = new timestamp.Timestamp();
    deadline.fromDate(new Date(Date.now() + deadlineMs));
    return options.setDeadline(deadline);
  }

  function batch(requests: BatchAppendReq[], answers: number, by = client): Promise<BatchAppendResp[]> {
    return new Promise((resolve, reject) => {
      const received: BatchAppendResp[] = [];
      const call = by.batchAppend();
      call.on('data', (response: BatchAppendResp) => {
        received.push(response);
        if (received.length === answers) call.end();
      });
      call.on('error', reject);
      call.on('end', () => resolve(received));
      for (const request of requests) call.write(request);
    });
  }

  const shapeOf = (frame: ReadResp.AsObject): string =>
    Object.entries(frame).find(([, value]) => value !== undefined && value !== '0' && value !== '')?.[0] ?? 'nothing';
  const revisionsIn = ({ frames }: Ended): string[] =>
    frames.flatMap((frame) => (frame.event?.event ? [frame.event.event.streamRevision] : []));

  // ---- features, gossip, what is not there

  it('lists the methods it serves, and no other', async () => {
    const features = new featureServices.ServerFeaturesClient(
      `127.0.0.1:${endpoint.port}`,
      credentials.createInsecure(),
    );
    const supported = await new Promise<Record<string, string[]>>((resolve, reject) => {
      features.getSupportedMethods(new shared.Empty(), (error, response) => {
        if (error) reject(error);
        else {
          expect(response.getEventStoreServerVersion()).toBe('23.10.6');
          resolve(
            Object.fromEntries(
              response.getMethodsList().map((m) => [`${m.getServiceName()}/${m.getMethodName()}`, m.getFeaturesList()]),
            ),
          );
        }
      });
    });
    features.close();
    expect(supported).toEqual({
      'event_store.client.streams.streams/read': ['position', 'events'],
      'event_store.client.streams.streams/append': [],
      'event_store.client.streams.streams/delete': [],
      'event_store.client.streams.streams/tombstone': [],
      'event_store.client.streams.streams/batchappend': [],
      'event_store.client.gossip.gossip/read': [],
      'event_store.client.server_features.serverfeatures/getsupportedmethods': [],
    });
  });

  it('is the one node, which leads', async () => {
    const gossip = new gossipServices.GossipClient(`127.0.0.1:${endpoint.port}`, credentials.createInsecure());
    const members = await new Promise<object[]>((resolve, reject) => {
      gossip.read(new shared.Empty(), (error, info) => (error ? reject(error) : resolve(info.toObject().membersList)));
    });
    gossip.close();
    expect(members).toMatchObject([
      {
        state: 8,
        isAlive: true,
        httpEndPoint: { address: '127.0.0.1', port: endpoint.port },
        instanceId: { string: '' },
      },
    ]);
  });

  it('answers UNIMPLEMENTED to everything else', async () => {
    const Other = makeGenericClientConstructor({}, 'Other');
    const other = new Other(`127.0.0.1:${endpoint.port}`, credentials.createInsecure());
    const bytes = (value: Buffer): Buffer => value;
    const error = await new Promise<ServiceError | null>((resolve) => {
      other.makeUnaryRequest(
        '/event_store.client.persistent_subscriptions.PersistentSubscriptions/Create',
        bytes,
        bytes,
        Buffer.alloc(0),
        resolve,
      );
    });
    other.close();
    expect(error?.code).toBe(status.UNIMPLEMENTED);
  });

  // ---- reading

  describe('Read of a stream', () => {
    it('sends events with their properties and ends OK', async () => {
      const { frames, error } = await read({ stream, count: 2 });
      expect(error).toBeUndefined();
      expect(frames).toHaveLength(2);
      const { event, commitPosition } = frames[1]!.event!;
      expect(event).toMatchObject({
        id: { string: expect.stringMatching(/^[0-9a-f-]{36}$/) },
        streamIdentifier: { streamName: Buffer.from(stream).toString('base64') },
        streamRevision: '1',
        preparePosition: commitPosition,
        commitPosition,
      });
      const properties = new Map(event!.metadataMap);
      expect([...properties.keys()].sort()).toEqual(['content-type', 'created', 'type']);
      expect(properties.get('content-type')).toBe('application/json');
      // ticks of 100 ns since 1970
      expect(Math.abs(Number(properties.get('created')) / 1e4 - Date.now())).toBeLessThan(60_000);
    });

    it('reads backwards from the end', async () => {
      const result = await read({ stream, revision: 'end', backwards: true, count: 1 });
      expect(revisionsIn(result)).toEqual(['5']);
      expect(new Map(result.frames[0]!.event!.event!.metadataMap).get('content-type')).toBe('application/octet-stream');
    });

    it('is empty beyond the end', async () => {
      expect(await read({ stream, revision: 99 })).toEqual({ frames: [] });
    });

    it('tells the last revision to a client that asked for it', async () => {
      const { frames } = await read({ stream, count: 1, compatibility: 1 });
      expect(frames.map(shapeOf)).toEqual(['event', 'lastStreamPosition']);
      expect(frames[1]!.lastStreamPosition).toBe('5');
    });

    it('says that a stream is not there', async () => {
      const name = 'probe-01f3a474';
      const { frames, error } = await read({ stream: name });
      expect(error).toBeUndefined();
      expect(frames.map(shapeOf)).toEqual(['streamNotFound']);
      expect(frames[0]!.streamNotFound!.streamIdentifier!.streamName).toBe(Buffer.from(name).toString('base64'));
    });

    it('fails for a count of 0, for a tombstoned stream', async () => {
      expect(await read({ stream, count: 0 })).toMatchObject({
        frames: [],
        error: { code: status.UNKNOWN, details: 'Unexpected ReadStreamResult: Error' },
      });
      expect(await read({ stream: tombstoned })).toEqual({ frames: [], error: deleted(tombstoned) });
    });

    it('gives ids in two halves when asked', async () => {
      const [plainly, structured] = [
        await read({ stream, count: 1 }),
        await read({ stream, count: 1, uuids: 'structured' }),
      ];
      const id = structured.frames[0]!.event!.event!.id!;
      const half = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0');
      const { mostSignificantBits, leastSignificantBits } = id.structured!;
      expect(id.string).toBe('');
      expect(half(mostSignificantBits) + half(leastSignificantBits)).toBe(
        plainly.frames[0]!.event!.event!.id!.string.replaceAll('-', ''),
      );
    });
  });

  describe('Read of $all', () => {
    it('begins with the system event every server begins with', async () => {
      const { frames } = await read({ count: 1 });
      const event = frames[0]!.event!.event!;
      expect(event.streamIdentifier!.streamName).toBe('JCQkc2NhdmVuZ2Vz');
      expect(new Map(event.metadataMap).get('type')).toBe('$metadata');
    });

    it('is inclusive forwards, exclusive backwards', async () => {
      const position = Number((await read({ stream, revision: 2, count: 1 })).frames[0]!.event!.commitPosition);
      const filter = { prefixes: [stream] };
      expect(revisionsIn(await read({ position: [position, position], filter }))).toEqual(['2', '3', '4', '5']);
      expect(revisionsIn(await read({ position: [position, position], filter, backwards: true }))).toEqual(['1', '0']);
      expect(revisionsIn(await read({ position: 'end', filter, backwards: true, count: 2 }))).toEqual(['5', '4']);
      expect(await read({ position: 'end' })).toEqual({ frames: [] });
    });

    it('is empty from beyond the end, and fails for a position that cannot be', async () => {
      expect(await read({ position: [1_000_000, 1_000_000] })).toEqual({ frames: [] });
      expect(await read({ position: [1, 2] })).toMatchObject({
        frames: [],
        error: { code: status.UNKNOWN, details: 'Exception was thrown by handler.' },
      });
    });

    it('filters by prefix and by regular expression, of stream and of type', async () => {
      expect(await read({ filter: { prefixes: ['no-such'], max: 32 }, count: 3 })).toEqual({ frames: [] });
      expect(revisionsIn(await read({ filter: { regex: `^${stream}$` } }))).toHaveLength(6);
      expect(revisionsIn(await read({ filter: { on: 'type', prefixes: ['bi', 'no'] } }))).toEqual(['5']);
      expect(revisionsIn(await read({ filter: { on: 'type', regex: '^[^$].*' } }))).toHaveLength(6);
    });
  });

  describe('a subscription', () => {
    it('to a stream confirms, sends what is there, and has caught up', async () => {
      const result = await follow({ stream }, 8);
      expect(result.frames.map(shapeOf)).toEqual(['confirmation', ...Array<string>(6).fill('event'), 'caughtUp']);
      expect(revisionsIn(result)).toEqual(['0', '1', '2', '3', '4', '5']);
      expect(result.error).toMatchObject({ code: status.CANCELLED, details: 'Cancelled on client' });
    });

    it('goes on after the revision given', async () => {
      expect(revisionsIn(await follow({ stream, revision: 3 }, 4))).toEqual(['4', '5']);
    });

    it('to a missing stream only confirms, until there is one', async () => {
      const name = `probe-${randomUUID()}`;
      expect((await follow({ stream: name }, 1)).frames.map(shapeOf)).toEqual(['confirmation']);
      const later = follow({ stream: name }, 3);
      await append(name, 'no_stream', [proposed({})]);
      expect((await later).frames.map(shapeOf)).toEqual(['confirmation', 'event', 'caughtUp']);
    });

    it('from the end has caught up at once, then follows', async () => {
      const name = `probe-${randomUUID()}`;
      await append(name, 'any', [proposed({}), proposed({})]);
      const result = await follow({ stream: name, revision: 'end' }, 3, () => append(name, 1, [proposed({})]));
      expect(result.frames.map(shapeOf)).toEqual(['confirmation', 'caughtUp', 'event']);
      expect(revisionsIn(result)).toEqual(['2']);
    });

    it('to a tombstoned stream fails, and so does one that sees the tombstone come', async () => {
      expect(await follow({ stream: tombstoned }, 99)).toEqual({ frames: [], error: deleted(tombstoned) });
      const name = `probe-${randomUUID()}`;
      await append(name, 'any', [proposed({})]);
      const { error } = await follow({ stream: name }, 99, () => remove('tombstone', name, 'any'));
      expect(error).toEqual(deleted(name));
    });

    it('to $all with a filter that lets nothing through sends a checkpoint every so many events', async () => {
      const other = `other-${randomUUID()}`;
      await append(
        other,
        'any',
        Array.from({ length: 100 }, () => proposed({})),
      );
      const { frames } = await follow({ filter: { prefixes: ['no-such'], max: 32, multiplier: 1 } }, 4);
      expect(frames.slice(0, 4).map(shapeOf)).toEqual(['confirmation', 'checkpoint', 'checkpoint', 'checkpoint']);
      expect(frames.slice(1, 4).map((frame) => Number(frame.checkpoint!.commitPosition))).toEqual([32, 64, 96]);
    });

    it('live from the end goes on counting: 70 other events are two checkpoints', async () => {
      const { frames } = await follow(
        { position: 'end', filter: { prefixes: ['no-such'], max: 32, multiplier: 1 } },
        4,
        () =>
          append(
            `other-${randomUUID()}`,
            'any',
            Array.from({ length: 70 }, () => proposed({})),
          ),
      );
      expect(frames.map(shapeOf)).toEqual(['confirmation', 'caughtUp', 'checkpoint', 'checkpoint']);
      const [first, second] = frames.slice(2).map((frame) => Number(frame.checkpoint!.commitPosition));
      expect(second! - first!).toBe(32);
    });

    it('never sends a checkpoint before an event it covers', async () => {
      const { frames } = await follow({ filter: { prefixes: [stream, 'other'], max: 3, multiplier: 1 } }, 60);
      let sent = 0;
      for (const frame of frames) {
        if (frame.event) {
          expect(Number(frame.event.commitPosition)).toBeGreaterThan(sent);
          sent = Number(frame.event.commitPosition);
        }
        if (frame.checkpoint) {
          expect(Number(frame.checkpoint.commitPosition)).toBeGreaterThanOrEqual(sent);
          sent = Number(frame.checkpoint.commitPosition);
        }
      }
      expect(frames.filter((frame) => frame.checkpoint).length).toBeGreaterThan(5);
    });

    it('refuses a checkpoint interval of nothing', async () => {
      expect(await follow({ filter: { prefixes: ['x'], max: 32, multiplier: 0 } }, 99)).toMatchObject({
        frames: [],
        error: { code: status.UNKNOWN, details: 'Exception was thrown by handler.' },
      });
    });

    it('is read from the log no faster than its client takes it', async () => {
      const name = `big-${randomUUID()}`;
      const big = (): AppendReq.ProposedMessage => proposed({}, { bytes: 200_000 });
      for (let n = 0; n < 16; n += 1) await append(name, 'any', [big(), big(), big(), big(), big()]);
      let looked = 0;
      const { store } = log;
      const readStream = store.readStream.bind(store);
      store.readStream = (of, bounds, decode) =>
        readStream(of, bounds, (record) => {
          looked += 1;
          return decode(record);
        });
      const call = client.read(readRequest({ stream: name, subscribe: true }));
      call.on('error', () => {});
      // takes one message, and then nothing: a call that is never read from buffers whatever comes
      let seen = 0;
      let slow = true;
      call.on('data', (frame: ReadResp) => {
        if (frame.hasEvent()) seen += 1;
        if (slow) call.pause();
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      // of 80, what has left the log fills the 16 places that each end's stream has
      expect(looked).toBeGreaterThan(0);
      expect(looked).toBeLessThan(45);
      slow = false;
      call.resume();
      while (seen < 80) await new Promise((resolve) => setTimeout(resolve, 10));
      call.cancel();
    });
  });

  // ---- writing

  describe('Append', () => {
    it('answers the revision and position of the last event', async () => {
      const position = expect.stringMatching(/^\d+$/) as unknown;
      expect(await append(`probe-${randomUUID()}`, 'no_stream', [proposed({})])).toEqual({
        success: { currentRevision: '0', position: { commitPosition: position, preparePosition: position } },
      });
    });

    it('answers alike when repeated', async () => {
      const name = `probe-${randomUUID()}`;
      const events = [proposed({}), proposed({})];
      const first = await append(name, 'any', events);
      expect(await append(name, 'any', events)).toEqual(first);
      expect(await append(name, 'no_stream', events)).toEqual(first);
    });

    it('says which revision was wrong', async () => {
      expect(await append(stream, 9, [proposed({})])).toEqual({
        wrongExpectedVersion: {
          currentRevision2060: 5,
          expectedRevision2060: 9,
          currentRevision: '5',
          expectedRevision: '9',
        },
      });
      expect(await append(stream, 'no_stream', [proposed({})])).toMatchObject({
        wrongExpectedVersion: {
          currentRevision2060: 5,
          currentRevision: '5',
          expectedRevision: '0',
          expectedNoStream: {},
        },
      });
      expect(await append(`probe-${randomUUID()}`, 'stream_exists', [proposed({})])).toEqual({
        wrongExpectedVersion: {
          currentRevision2060: 0,
          noStream2060: {},
          expectedRevision2060: 0,
          streamExists2060: {},
          currentRevision: '0',
          currentNoStream: {},
          expectedRevision: '0',
          expectedStreamExists: {},
        },
      });
    });

    it.each(['type', 'content-type'])('fails without the property %s', async (property) => {
      expect(await append(stream, 'any', [proposed({ [property]: null })])).toEqual({
        code: status.INVALID_ARGUMENT,
        details: `Required Metadata Property '${property}' is missing`,
        trailers: {
          exception: 'missing-required-metadata-property',
          'required-metadata-properties': 'type,content-type',
        },
      });
    });

    it('fails beyond 1 MiB', async () => {
      expect(await append(stream, 'any', [proposed({}, { bytes: 1_048_577 })])).toEqual({
        code: status.INVALID_ARGUMENT,
        details: 'Maximum Append Size of 1048576 Exceeded.',
        trailers: { exception: 'maximum-append-size-exceeded', 'maximum-append-size': '1048576' },
      });
    });

    it('fails for a tombstoned stream and for no stream at all', async () => {
      expect(await append(tombstoned, 'any', [proposed({})])).toEqual(deleted(tombstoned));
      expect(await append('', 'any', [proposed({})])).toEqual({
        code: status.UNKNOWN,
        details: 'Exception was thrown by handler.',
        trailers: {},
      });
    });
  });

  describe('Delete and Tombstone', () => {
    const refused = (name: string, expected: number, actual: number): object => ({
      code: status.FAILED_PRECONDITION,
      details: `Delete failed due to WrongExpectedVersion. Stream: ${name}, Expected version: ${expected}, Actual version: ${actual}`,
      trailers: {
        exception: 'wrong-expected-version',
        'stream-name': name,
        'expected-version': String(expected),
        'actual-version': String(actual),
      },
    });

    it('refuse a wrong revision, and the soft one a stream that never was', async () => {
      expect(await remove('delete', stream, 99)).toEqual(refused(stream, 99, 5));
      expect(await remove('delete', 'probe-467a6a2e', 'any')).toEqual(refused('probe-467a6a2e', -2, -1));
      expect(await remove('delete', 'probe-ca0c4b01', 'no_stream')).toEqual(refused('probe-ca0c4b01', -1, -1));
      expect(await remove('tombstone', `probe-${randomUUID()}`, 'any')).toMatchObject({ position: {} });
    });

    it('make the stream read as missing, or as deleted', async () => {
      const name = `probe-${randomUUID()}`;
      await append(name, 'any', [proposed({}), proposed({})]);
      expect(await remove('delete', name, 1)).toMatchObject({ position: {} });
      expect((await read({ stream: name })).frames.map(shapeOf)).toEqual(['streamNotFound']);
      expect(await append(name, 'no_stream', [proposed({})])).toMatchObject({ success: { currentRevision: '2' } });
      expect(revisionsIn(await read({ stream: name }))).toEqual(['2']);
      const { frames } = await read({ stream: name, revision: 0, count: 1, compatibility: 1 });
      expect(frames.map(shapeOf)).toEqual(['event', 'lastStreamPosition']);
      await remove('tombstone', name, 2);
      expect(await remove('tombstone', name, 2)).toEqual(deleted(name));
    });
  });

  describe('BatchAppend', () => {
    /** As recorded: the status' code and text, and the bytes of its details. */
    const outcome = (response: BatchAppendResp): object => {
      const error = response.getError();
      if (!error) return { revision: response.getSuccess()!.getCurrentRevision() };
      const details = error.getDetails()!;
      return {
        code: error.getCode(),
        message: error.getMessage(),
        type: details.getTypeUrl().replace('type.googleapis.com/event_store.client.', ''),
        bytes: Buffer.from(details.getValue_asU8()).toString('hex'),
      };
    };

    it('answers each append under its correlation id, with the errors as status messages', async () => {
      const [ok, missing, big, two] = Array.from({ length: 4 }, () => `probe-${randomUUID()}`) as [
        string,
        string,
        string,
        string,
      ];
      const ids = Array.from({ length: 6 }, () => randomUUID());
      const requests = [
        batchFragment(ids[0]!, batchOptions(ok, 'no_stream'), [proposed({})]),
        batchFragment(ids[1]!, batchOptions(stream, 77), [proposed({})]),
        batchFragment(ids[2]!, batchOptions(stream, 'no_stream'), [proposed({})]),
        batchFragment(ids[3]!, batchOptions(missing, 'stream_exists'), [proposed({})]),
        batchFragment(ids[4]!, batchOptions(big, 'any'), [proposed({}, { bytes: 1_048_577 })]),
        batchFragment(ids[5]!, batchOptions(two, 'any'), [proposed({})], false),
        batchFragment(ids[5]!, null, [proposed({})]),
      ];
      const responses = await batch(requests, 6);
      const byId = new Map(responses.map((response) => [response.getCorrelationId()!.getString(), response]));
      const wrong = { code: 6, message: 'WrongExpectedVersion', type: 'WrongExpectedVersion' };
      expect(ids.map((id) => outcome(byId.get(id)!))).toEqual([
        { revision: '0' },
        { ...wrong, bytes: '0805184d' },
        { ...wrong, bytes: '08053200' },
        { ...wrong, bytes: '12002a00' },
        { code: 3, message: 'MaximumAppendSizeExceeded', type: 'MaximumAppendSizeExceeded', bytes: '08808040' },
        { revision: '1' },
      ]);
      const success = byId.get(ids[0]!)!.toObject();
      expect(success.streamIdentifier!.streamName).toBe(Buffer.from(ok).toString('base64'));
      expect(Number(success.success!.position!.commitPosition)).toBeGreaterThan(0);
    });

    it('answers a malformed event with BadRequest, and with Timeout what is never finished', async () => {
      const [bad, open] = [randomUUID(), randomUUID()];
      const responses = await batch(
        [
          batchFragment(bad, batchOptions('probe-bad', 'any', 300), [proposed({ type: null })]),
          batchFragment(open, batchOptions('probe-open', 'any', 200), [proposed({})], false),
        ],
        3,
      );
      expect(responses.map(outcome)).toEqual([
        {
          code: 3,
          message: 'BadRequest',
          type: 'BadRequest',
          bytes: '0a3054686520676976656e206b657920776173206e6f742070726573656e7420696e207468652064696374696f6e6172792e',
        },
        { code: 4, message: 'Timeout', type: 'Timeout', bytes: '' },
        { code: 4, message: 'Timeout', type: 'Timeout', bytes: '' },
      ]);
      expect(await log.readStream('probe-open')).toEqual([]);
    });

    it('judges a deadline by the clock of the machine when the log is told another time', async () => {
      const ahead = { nowMs: () => Date.now() + 365 * 86_400_000 };
      const told = await EmbeddedLog.open({ dir: join(dir, 'ahead'), clock: ahead });
      const there = await startWireEndpoint(told, { port: 0, clock: { nowMs: () => Date.now() } });
      const by = new services.StreamsClient(`127.0.0.1:${there.port}`, credentials.createInsecure());
      await batch([batchFragment(randomUUID(), batchOptions('probe-ahead', 'any'), [proposed({})])], 1, by);
      expect(await told.readStream('probe-ahead')).toHaveLength(1);
      by.close();
      await there.close();
      await told.close();
    });

    it('answers Timeout to a deadline that has passed, and StreamDeleted for a tombstoned stream', async () => {
      const [late, gone] = await Promise.all([
        batch([batchFragment(randomUUID(), batchOptions('probe-late', 'any', -1), [proposed({})])], 1),
        batch([batchFragment(randomUUID(), batchOptions(tombstoned, 'any'), [proposed({})])], 1),
      ]);
      expect(outcome(late[0]!)).toMatchObject({ code: 4, message: 'Timeout' });
      expect(outcome(gone[0]!)).toMatchObject({ code: 5, message: 'StreamDeleted', type: 'StreamDeleted' });
    });
  });
});

function plain(error: ServiceError): { code: status; details: string; trailers: Record<string, unknown> } {
  const { code, details } = error;
  const ours = Object.entries((error.metadata as Metadata | undefined)?.getMap() ?? {}).filter(
    ([key]) => !['content-type', 'date', 'content-length', 'server'].includes(key),
  );
  return { code, details, trailers: Object.fromEntries(ours) };
}

function deleted(stream: string): object {
  return {
    code: status.FAILED_PRECONDITION,
    details: `Event stream '${stream}' is deleted.`,
    trailers: { exception: 'stream-deleted', 'stream-name': stream },
  };
}

/** Without the fields that are not set, at any depth: as the recordings show messages. */
function defined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, defined(item)]])),
  );
}
