import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type EventLog,
  EventLogError,
  type NewEvent,
  type RecordedEvent,
  type SubscriptionBatch,
} from './event-log.js';

/** How a suite gets at a log; several may be asked for, each a connection of its own to the same events. */
export interface LogUnderTest {
  open(): Promise<EventLog>;
  /** Ends what stands behind the logs. */
  stop?(): Promise<void>;
}

/**
 * What every EventLog promises. Streams are new for each test, so it also runs against a server in use.
 */
export function eventLogContract(name: string, start: () => Promise<LogUnderTest>): void {
  describe(name, () => {
    let subject: LogUnderTest;
    let log: EventLog;

    beforeAll(async () => {
      subject = await start();
      log = await subject.open();
    });

    afterAll(async () => {
      await log.close();
      await subject.stop?.();
    });

    const streamName = (): string => `contract_${randomUUID()}`;

    async function fill(stream: string, count: number, type = 'Noted'): Promise<NewEvent[]> {
      const events = Array.from({ length: count }, (_, n) => newEvent(type, { n }));
      await log.append({ stream, expectedRevision: 'any', events });
      return events;
    }

    describe('append', () => {
      it('gives back revision and position of the last event, and keeps every part of each', async () => {
        const stream = streamName();
        const events = [
          newEvent('Noted', { text: 'grüße 🚀 \u0000', nested: { list: [1, null, true] } }),
          newEvent('Noted', { n: 2 }),
        ];
        const result = await log.append({ stream, expectedRevision: 'no_stream', events });

        const read = await log.readStream(stream);
        expect(result.revision).toBe(1);
        expect(read.map(({ id, type, data, metadata }) => ({ id, type, data, metadata }))).toEqual(events);
        expect(read.map((event) => event.revision)).toEqual([0, 1]);
        expect(read.map((event) => event.stream)).toEqual([stream, stream]);
        expect(read[1]!.position).toBe(result.position);
        expect(read[0]!.position < read[1]!.position).toBe(true);
        expect(read[0]!.recordedAtMs).toBeGreaterThan(1_000_000_000_000);
        expect(Number.isInteger(read[0]!.recordedAtMs)).toBe(true);
      });

      it('goes on from the exact revision expected', async () => {
        const stream = streamName();
        await fill(stream, 2);
        const result = await log.append({ stream, expectedRevision: 1, events: [newEvent('Noted', {})] });
        expect(result.revision).toBe(2);
      });

      it('takes anything under "any", and an existing stream under "stream_exists"', async () => {
        const stream = streamName();
        await log.append({ stream, expectedRevision: 'any', events: [newEvent('Noted', {})] });
        const result = await log.append({ stream, expectedRevision: 'stream_exists', events: [newEvent('Noted', {})] });
        expect(result.revision).toBe(1);
      });

      it.each([
        ['no_stream' as const, 2, 1],
        [0, 2, 1],
        [7, 2, 1],
        [7, 0, null],
        [0, 0, null],
        ['stream_exists' as const, 0, null],
      ])('refuses expected revision %s of a stream of %s events', async (expectedRevision, count, actual) => {
        const stream = streamName();
        if (count > 0) await fill(stream, count);
        const error = await failure(log.append({ stream, expectedRevision, events: [newEvent('Noted', {})] }));
        expect(error).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: actual });
        expect(await log.readStream(stream)).toHaveLength(count);
      });

      it('is all or nothing: events of a refused append are nowhere', async () => {
        const stream = streamName();
        const [first] = await fill(stream, 1);
        const events = [first!, newEvent('Noted', {})];
        await failure(log.append({ stream, expectedRevision: 5, events }));
        expect(await log.readStream(stream)).toHaveLength(1);
      });

      it.each(['no_stream' as const, 'any' as const])(
        'answers alike when repeated under %s',
        async (expectedRevision) => {
          const append = { stream: streamName(), expectedRevision, events: [newEvent('A', {}), newEvent('B', {})] };
          const first = await log.append(append);
          expect(await log.append(append)).toEqual(first);
          await log.append({ ...append, expectedRevision: 1, events: [newEvent('C', {})] });
          expect(await log.append(append)).toEqual(first);
          expect((await log.readStream(append.stream)).map((event) => event.type)).toEqual(['A', 'B', 'C']);
        },
      );

      it('answers alike when repeated in the middle of a stream', async () => {
        const stream = streamName();
        await fill(stream, 3);
        const append = { stream, expectedRevision: 2, events: [newEvent('A', {}), newEvent('B', {})] };
        const first = await log.append(append);
        await log.append({ stream, expectedRevision: 4, events: [newEvent('C', {})] });
        expect(await log.append(append)).toEqual(first);
        expect(await log.readStream(stream)).toHaveLength(6);
      });

      it('stores once what is appended twice at the same time', async () => {
        const append = { stream: streamName(), expectedRevision: 'no_stream' as const, events: [newEvent('A', {})] };
        const [one, two] = await Promise.all([log.append(append), log.append(append)]);
        expect(two).toEqual(one);
        expect(await log.readStream(append.stream)).toHaveLength(1);
      });

      it('does not take half of another append for a repetition', async () => {
        const stream = streamName();
        const first = newEvent('A', {});
        await log.append({ stream, expectedRevision: 'no_stream', events: [first] });
        const events = [first, newEvent('B', {})];
        expect(await failure(log.append({ stream, expectedRevision: 'no_stream', events }))).toMatchObject({
          code: 'WRONG_EXPECTED_REVISION',
          actualRevision: 0,
        });
        expect(await log.readStream(stream)).toHaveLength(1);
      });

      it('lets exactly one of many racing appends win', async () => {
        const stream = streamName();
        await fill(stream, 1);
        const outcomes = await Promise.allSettled(
          Array.from({ length: 20 }, (_, n) =>
            log.append({ stream, expectedRevision: 0, events: [newEvent('Raced', { n })] }),
          ),
        );
        const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
        expect(lost).toHaveLength(19);
        for (const { reason } of lost)
          expect(reason).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: 1 });
        expect(await log.readStream(stream)).toHaveLength(2);
      });

      it('keeps appends to one stream in the order they were made', async () => {
        const stream = streamName();
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, n) =>
            log.append({
              stream,
              expectedRevision: n - 1 < 0 ? 'no_stream' : n - 1,
              events: [newEvent('Noted', { n })],
            }),
          ),
        );
        expect(results.map((result) => result.revision)).toEqual(Array.from({ length: 50 }, (_, n) => n));
        expect((await log.readStream(stream)).map((event) => event.data['n'])).toEqual(
          Array.from({ length: 50 }, (_, n) => n),
        );
      });

      it('refuses more than 1 MiB of data, and takes 1 MiB', async () => {
        const stream = streamName();
        const empty = JSON.stringify({ text: '' }).length;
        const sized = (bytes: number): NewEvent => newEvent('Big', { text: 'x'.repeat(bytes - empty) });
        expect(
          await failure(log.append({ stream, expectedRevision: 'any', events: [sized(1_048_577)] })),
        ).toMatchObject({ code: 'APPEND_TOO_LARGE' });
        const half = [sized(524_288), sized(524_289)];
        expect(await failure(log.append({ stream, expectedRevision: 'any', events: half }))).toMatchObject({
          code: 'APPEND_TOO_LARGE',
        });
        await log.append({ stream, expectedRevision: 'no_stream', events: [sized(1_048_576)] });
        expect(await log.readStream(stream)).toHaveLength(1);
      });
    });

    describe('appendBehind', () => {
      const one = (stream: string, expectedRevision: 'no_stream' | 'any' = 'no_stream') => ({
        stream,
        expectedRevision,
        events: [newEvent('Noted', {})],
      });

      it('stores the last one behind the others', async () => {
        const [a, b, c] = [streamName(), streamName(), streamName()];
        const { ahead, last } = await log.appendBehind([one(a), one(b)], one(c));
        expect([...ahead, last]).toMatchObject([{ revision: 0 }, { revision: 0 }, { revision: 0 }]);
        const positions = await Promise.all([a, b, c].map(async (name) => (await log.readStream(name))[0]!.position));
        expect(last).toMatchObject({ position: positions[2] });
        expect(positions[2]! > positions[0]! && positions[2]! > positions[1]!).toBe(true);
      });

      it('leaves the last one out when one ahead of it is refused; the others ahead stand', async () => {
        const [taken, b, c] = [streamName(), streamName(), streamName()];
        await fill(taken, 1);
        const { ahead, last } = await log.appendBehind([one(taken), one(b)], one(c));
        expect(ahead[0]).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: 0 });
        expect([ahead[1], last]).toMatchObject([{ revision: 0 }, null]);
        expect(await log.readStream(b)).toHaveLength(1);
        expect(await log.readStream(c)).toEqual([]);
      });

      it('lets exactly one of many win that claim the same stream', async () => {
        const claim = streamName();
        const own = Array.from({ length: 10 }, () => streamName());
        const outcomes = await Promise.all(own.map((name) => log.appendBehind([one(claim)], one(name))));
        expect(outcomes.filter(({ last }) => last !== null)).toHaveLength(1);
        const written = await Promise.all(own.map(async (name) => (await log.readStream(name)).length));
        expect(written.reduce((sum, count) => sum + count)).toBe(1);
        expect(await log.readStream(claim)).toHaveLength(1);
      });

      it('says that the last one was refused, and what is ahead of it stands', async () => {
        const [a, taken] = [streamName(), streamName()];
        await fill(taken, 2);
        const { ahead, last } = await log.appendBehind([one(a)], one(taken));
        expect(ahead[0]).toMatchObject({ revision: 0 });
        expect(last).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: 1 });
        expect(await log.readStream(a)).toHaveLength(1);
      });
    });

    describe('appendMany', () => {
      it('gives the outcomes in order, with the failures as errors, and the others stand', async () => {
        const [a, b, c] = [streamName(), streamName(), streamName()];
        await fill(b, 1);
        const outcomes = await log.appendMany([
          { stream: a, expectedRevision: 'no_stream', events: [newEvent('Noted', {}), newEvent('Noted', {})] },
          { stream: b, expectedRevision: 'no_stream', events: [newEvent('Noted', {})] },
          { stream: c, expectedRevision: 'any', events: [newEvent('Noted', {})] },
        ]);
        expect(outcomes[0]).toMatchObject({ revision: 1 });
        expect(outcomes[1]).toBeInstanceOf(EventLogError);
        expect(outcomes[1]).toMatchObject({ code: 'WRONG_EXPECTED_REVISION', actualRevision: 0 });
        expect(outcomes[2]).toMatchObject({ revision: 0 });
        expect(await log.readStream(a)).toHaveLength(2);
        expect(await log.readStream(b)).toHaveLength(1);
        expect(await log.readStream(c)).toHaveLength(1);
      });
    });

    describe('readStream', () => {
      it('is empty for a stream that never was', async () => {
        expect(await log.readStream(streamName())).toEqual([]);
      });

      it('reads any range in both directions, whatever appends the events came in', async () => {
        const stream = streamName();
        for (const count of [1, 3, 2, 4]) await fill(stream, count);
        const all = Array.from({ length: 10 }, (_, n) => n);
        const revisions = async (options: Parameters<EventLog['readStream']>[1]): Promise<number[]> =>
          (await log.readStream(stream, options)).map((event) => event.revision);

        expect(await revisions({})).toEqual(all);
        for (const from of all) {
          expect(await revisions({ fromRevision: from })).toEqual(all.slice(from));
          expect(await revisions({ fromRevision: from, limit: 3 })).toEqual(all.slice(from, from + 3));
          expect(await revisions({ direction: 'backwards', fromRevision: from })).toEqual(
            all.slice(0, from + 1).reverse(),
          );
        }
        expect(await revisions({ direction: 'backwards', limit: 1 })).toEqual([9]);
        expect(await revisions({ direction: 'backwards', fromRevision: 99 })).toEqual([...all].reverse());
        expect(await revisions({ fromRevision: 10 })).toEqual([]);
      });

      it('reads a stream longer than any page', async () => {
        const stream = streamName();
        await log.appendMany(
          Array.from({ length: 30 }, () => ({
            stream,
            expectedRevision: 'any' as const,
            events: Array.from({ length: 100 }, () => newEvent('Noted', {})),
          })),
        );
        expect((await log.readStream(stream)).map((event) => event.revision)).toEqual(
          Array.from({ length: 3000 }, (_, n) => n),
        );
      });
    });

    describe('deleteStream', () => {
      it('makes the stream read as empty, and a later append go on with the next revision', async () => {
        const stream = streamName();
        await fill(stream, 3);
        await log.deleteStream(stream, 2);
        expect(await log.readStream(stream)).toEqual([]);
        expect(await log.readStream(stream, { direction: 'backwards' })).toEqual([]);

        const result = await log.append({ stream, expectedRevision: 'no_stream', events: [newEvent('Again', {})] });
        expect(result.revision).toBe(3);
        expect((await log.readStream(stream)).map((event) => [event.revision, event.type])).toEqual([[3, 'Again']]);
      });

      it('lets an append that knows the last revision go on too', async () => {
        const stream = streamName();
        await fill(stream, 2);
        await log.deleteStream(stream, 'any');
        const result = await log.append({ stream, expectedRevision: 1, events: [newEvent('Again', {})] });
        expect(result.revision).toBe(2);
        expect(await log.readStream(stream)).toHaveLength(1);
      });

      it('refuses a wrong expected revision and a stream that never was', async () => {
        const stream = streamName();
        await fill(stream, 2);
        expect(await failure(log.deleteStream(stream, 0))).toMatchObject({
          code: 'WRONG_EXPECTED_REVISION',
          actualRevision: 1,
        });
        expect(await failure(log.deleteStream(streamName(), 'any'))).toMatchObject({
          code: 'WRONG_EXPECTED_REVISION',
          actualRevision: null,
        });
        expect(await log.readStream(stream)).toHaveLength(2);
      });

      it('makes a stream that is expected to exist a deleted one', async () => {
        const stream = streamName();
        await fill(stream, 1);
        await log.deleteStream(stream, 'any');
        const append = { stream, expectedRevision: 'stream_exists' as const, events: [newEvent('Noted', {})] };
        expect(await failure(log.append(append))).toMatchObject({ code: 'STREAM_DELETED' });
      });
    });

    describe('readAll and head', () => {
      it('reads pages in one order, and says where the next begins', async () => {
        const before = (await log.head()) ?? undefined;
        const stream = streamName();
        await fill(stream, 5);
        const filter = { streamPrefixes: [stream] };
        const page = await log.readAll({ ...after(before), limit: 2, filter });
        expect(page.events.map((event) => event.revision)).toEqual([0, 1]);
        const rest = await log.readAll({ ...after(page.next!), limit: 100, filter });
        expect(rest.events.map((event) => event.revision)).toEqual([2, 3, 4]);
        expect(rest.next).toBeNull();
        expect((await log.readStream(stream)).map((event) => event.position)).toEqual(
          [...page.events, ...rest.events].map((event) => event.position),
        );
        expect(await log.head()).toBe(rest.events.at(-1)!.position);
      });

      it('goes on exclusively after any position, both ways', async () => {
        const before = (await log.head()) ?? undefined;
        const stream = streamName();
        await fill(stream, 6);
        const filter = { streamPrefixes: [stream] };
        const { events } = await log.readAll({ ...after(before), limit: 100, filter });
        for (const event of events) {
          const later = await log.readAll({ after: event.position, limit: 100, filter });
          expect(later.events.map((e) => e.revision)).toEqual([0, 1, 2, 3, 4, 5].slice(event.revision + 1));
          const earlier = await log.readAll({
            after: event.position,
            direction: 'backwards',
            limit: event.revision,
            filter,
          });
          expect(earlier.events.map((e) => e.revision)).toEqual([0, 1, 2, 3, 4, 5].slice(0, event.revision).reverse());
        }
        const last = await log.readAll({ direction: 'backwards', limit: 2, filter });
        expect(last.events.map((event) => event.revision)).toEqual([5, 4]);
      });

      it('filters by stream prefix, by event type and by both', async () => {
        const before = (await log.head()) ?? undefined;
        const stream = streamName();
        await fill(`${stream}-a`, 2, 'Noted');
        await fill(`${stream}-a`, 2, 'Other');
        await fill(`${stream}-b`, 2, 'Noted');
        await fill(`${stream}-b`, 1, 'NotedToo');
        const read = async (filter: { streamPrefixes?: string[]; eventTypes?: string[] }): Promise<string[]> => {
          const page = await log.readAll({ ...after(before), limit: 1000, filter });
          return page.events.map((event) => `${event.stream.at(-1)}${event.revision}${event.type}`);
        };
        expect(await read({ streamPrefixes: [`${stream}-a`] })).toEqual(['a0Noted', 'a1Noted', 'a2Other', 'a3Other']);
        expect(await read({ streamPrefixes: [`${stream}-a`, `${stream}-b`], eventTypes: ['Noted'] })).toEqual([
          'a0Noted',
          'a1Noted',
          'b0Noted',
          'b1Noted',
        ]);
        expect(await read({ eventTypes: ['NotedToo'] })).toEqual(['b2NotedToo']);
        expect(await read({ streamPrefixes: [] })).toEqual([]);
        expect(await read({ eventTypes: [] })).toEqual([]);
      });

      it('does not show what the store writes for itself', async () => {
        const before = (await log.head()) ?? undefined;
        const stream = streamName();
        await fill(stream, 1);
        await log.deleteStream(stream, 'any');
        const { events } = await log.readAll({ ...after(before), limit: 1000 });
        expect(events.filter((event) => event.type.startsWith('$') || event.stream.startsWith('$'))).toEqual([]);
        expect(events.filter((event) => event.stream === stream)).toHaveLength(1);
      });
    });

    describe('subscribe', () => {
      it('delivers what is there, says when it has caught up, then what comes', async () => {
        const stream = streamName();
        const filter = { streamPrefixes: [stream] };
        const before = (await log.head()) ?? undefined;
        await fill(stream, 3);
        const seen = new Collector(log.subscribe({ ...after(before), filter }));
        await seen.until((batches) => batches.some((batch) => batch.caughtUp) && count(batches) === 3);
        await fill(stream, 2);
        await seen.until((batches) => count(batches) === 5);
        await fill(stream, 1);
        await seen.until((batches) => count(batches) === 6 && batches.at(-1)!.caughtUp);
        expect(seen.events.map((event) => event.revision)).toEqual([0, 1, 2, 3, 4, 5]);
        await seen.stop();
      });

      it('catches up on a log in which the filter lets nothing through', async () => {
        const seen = new Collector(log.subscribe({ filter: { streamPrefixes: [streamName()] } }));
        const head = await log.head();
        await seen.until((batches) =>
          batches.some((batch) => batch.caughtUp && (batch.scannedTo ?? '') >= (head ?? '')),
        );
        expect(seen.events).toEqual([]);
        await seen.stop();
      });

      it('moves scannedTo over events that the filter keeps back', async () => {
        const filter = { streamPrefixes: [streamName()] };
        const seen = new Collector(log.subscribe({ filter }));
        await seen.until((batches) => batches.some((batch) => batch.caughtUp));
        const { position } = await log.append({
          stream: streamName(),
          expectedRevision: 'any',
          events: [newEvent('Noted', {})],
        });
        await seen.until((batches) => (batches.at(-1)!.scannedTo ?? '') >= position);
        await seen.stop();
      });

      it('can be resumed from every position it reported, without loss or repetition', async () => {
        const stream = streamName();
        const before = (await log.head()) ?? undefined;
        for (const count of [3, 1, 4, 2]) {
          await fill(stream, count);
          await fill(streamName(), 1);
        }
        const filter = { streamPrefixes: [stream] };
        const first = new Collector(log.subscribe({ ...after(before), filter, batchSize: 2 }));
        await first.until((batches) => count(batches) === 10 && batches.at(-1)!.caughtUp);
        await first.stop();
        let delivered = 0;
        for (const batch of first.batches) {
          delivered += batch.events.length;
          if (batch.scannedTo === null) continue;
          const again = new Collector(log.subscribe({ after: batch.scannedTo, filter }));
          await again.until((batches) => count(batches) === 10 - delivered && batches.at(-1)!.caughtUp);
          expect(again.events.map((event) => event.revision)).toEqual(
            Array.from({ length: 10 - delivered }, (_, n) => delivered + n),
          );
          await again.stop();
        }
      });

      it('never reports a position beyond what it delivered', async () => {
        const stream = streamName();
        const before = (await log.head()) ?? undefined;
        const seen = new Collector(log.subscribe({ ...after(before), filter: { streamPrefixes: [stream] } }));
        for (let n = 0; n < 20; n += 1) await Promise.all([fill(stream, 1), fill(streamName(), 2)]);
        await seen.until((batches) => count(batches) === 20);
        let scannedTo = '';
        for (const batch of seen.batches) {
          for (const event of batch.events) expect(event.position > scannedTo).toBe(true);
          expect((batch.scannedTo ?? '') >= scannedTo).toBe(true);
          scannedTo = batch.scannedTo ?? scannedTo;
          if (batch.events.length > 0) expect(scannedTo >= batch.events.at(-1)!.position).toBe(true);
        }
        await seen.stop();
      });

      it('keeps to the batch size and waits for a slow consumer', async () => {
        const stream = streamName();
        const before = (await log.head()) ?? undefined;
        await fill(stream, 25);
        const seen: RecordedEvent[] = [];
        for await (const batch of log.subscribe({
          ...after(before),
          filter: { streamPrefixes: [stream] },
          batchSize: 10,
        })) {
          expect(batch.events.length).toBeLessThanOrEqual(10);
          if (seen.length === 0) await fill(stream, 5);
          await new Promise((resolve) => setTimeout(resolve, 5));
          seen.push(...batch.events);
          if (seen.length === 30) break;
        }
        expect(seen.map((event) => event.revision)).toEqual(Array.from({ length: 30 }, (_, n) => n));
      });

      it('serves several subscribers at their own pace', async () => {
        const stream = streamName();
        const before = (await log.head()) ?? undefined;
        const subscribers = Array.from(
          { length: 4 },
          (_, n) =>
            new Collector(log.subscribe({ ...after(before), filter: { streamPrefixes: [stream] }, batchSize: n + 1 })),
        );
        for (let n = 0; n < 10; n += 1) await fill(stream, 2);
        for (const subscriber of subscribers) {
          await subscriber.until((batches) => count(batches) === 20);
          expect(subscriber.events.map((event) => event.revision)).toEqual(Array.from({ length: 20 }, (_, n) => n));
          await subscriber.stop();
        }
      });

      it('ends when its signal aborts, also while it waits', async () => {
        const abort = new AbortController();
        const batches: SubscriptionBatch[] = [];
        setTimeout(() => abort.abort(), 100);
        for await (const batch of log.subscribe({ filter: { streamPrefixes: [streamName()] }, signal: abort.signal })) {
          batches.push(batch);
        }
        const aborted = AbortSignal.abort();
        for await (const batch of log.subscribe({ signal: aborted })) batches.push({ ...batch, events: [] });
        expect(batches.every((batch) => batch.events.length === 0)).toBe(true);
      });
    });

    it('shows another connection what was appended, at once', async () => {
      const other = await subject.open();
      const stream = streamName();
      await fill(stream, 2);
      expect(await other.readStream(stream)).toHaveLength(2);
      if (other !== log) await other.close();
    });
  });
}

export function newEvent(type: string, data: Record<string, unknown>): NewEvent {
  return { id: randomUUID(), type, data, metadata: { $correlationId: randomUUID(), schemaVersion: 1 } };
}

/** The EventLogError an operation fails with; anything else fails the test. */
export async function failure(operation: Promise<unknown>): Promise<EventLogError> {
  const outcome = await operation.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(EventLogError);
  return outcome as EventLogError;
}

/** Consumes a subscription in the background, so that a test can wait for what it has delivered. */
export class Collector {
  readonly batches: SubscriptionBatch[] = [];
  readonly #iterator: AsyncIterator<SubscriptionBatch>;
  readonly #done: Promise<void>;
  #stopped = false;
  #wake: () => void = () => {};
  error: unknown = undefined;

  constructor(subscription: AsyncIterable<SubscriptionBatch>) {
    this.#iterator = subscription[Symbol.asyncIterator]();
    this.#done = this.#run();
  }

  get events(): RecordedEvent[] {
    return this.batches.flatMap((batch) => batch.events);
  }

  async until(reached: (batches: readonly SubscriptionBatch[]) => boolean): Promise<void> {
    const deadline = setTimeout(() => {
      this.error ??= new Error(
        `not reached within 10 s; ${this.events.length} events in ${this.batches.length} batches`,
      );
      this.#wake();
    }, 10_000);
    try {
      while (this.batches.length === 0 || !reached(this.batches)) {
        if (this.error) throw this.error;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#iterator.return?.();
    await Promise.race([this.#done, new Promise((resolve) => setTimeout(resolve, 50))]);
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const step = await this.#iterator.next();
        if (step.done || this.#stopped) return;
        this.batches.push(step.value);
        this.#wake();
      }
    } catch (error) {
      this.error = error;
      this.#wake();
    }
  }
}

function count(batches: readonly SubscriptionBatch[]): number {
  return batches.reduce((sum, batch) => sum + batch.events.length, 0);
}

function after(position: string | undefined): { after?: string } {
  return position === undefined ? {} : { after: position };
}
