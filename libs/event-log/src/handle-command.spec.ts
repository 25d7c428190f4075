import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedLog } from './embedded-log.js';
import { type Append, type EventLog, EventLogError, type JsonObject } from './event-log.js';
import { CommandError, type CommandRuntime, handleCommand, loadStream, Turns } from './handle-command.js';
import { eventId } from './ids.js';
import { LruMap } from './lru-map.js';

/** A counter: enough of a domain to see commands conflict, repeat and be refused. */
interface Added {
  readonly type: 'Added';
  readonly data: { readonly by: number };
}
type Runtime = CommandRuntime<number, Added>;

const nowMs = () => 1_700_000_000_000;
const runtimeOn = (log: EventLog): Runtime => ({
  log,
  fold: {
    initial: () => 0,
    evolve: (sum, { data }) => sum + data.by,
    read: (_stream, events) => events as unknown as Added[],
  },
  cache: new LruMap(100),
  turns: new Turns(),
  nowMs,
});

let commandNo = 0;
const newCommandId = () => `00000000-0000-4000-8000-${String(++commandNo).padStart(12, '0')}`;

function add(
  stream: string,
  by: number,
  more: { commandId?: string; commutes?: boolean; expectedRevision?: number; atMost?: number; settles?: number } = {},
) {
  const { atMost = Number.POSITIVE_INFINITY, commandId = newCommandId(), commutes = false, settles } = more;
  const write = (id: string) => (events: readonly Added[]) =>
    events.map(({ data, type }, ordinal) => ({
      id: eventId(id, ordinal),
      type,
      data: data as JsonObject,
      metadata: { commandId: id, commandHash: `add ${by}` },
    }));
  const settleId = newCommandId();
  return {
    stream,
    commandId,
    commandHash: `add ${by}`,
    commutes,
    ...(more.expectedRevision === undefined ? {} : { expectedRevision: more.expectedRevision }),
    decide: (sum: number): Added[] => {
      if (sum + by > atMost) throw new Error(`above ${atMost}`);
      return by === 0 ? [] : [{ type: 'Added', data: { by } }];
    },
    write: write(commandId),
    ...(settles === undefined
      ? {}
      : {
          onRefusal: {
            decide: (sum: number): Added[] =>
              sum % 1000 === settles ? [] : [{ type: 'Added', data: { by: settles } }],
            write: write(settleId),
          },
        }),
  };
}

/** Lets `between` act after the command has decided and before its append reaches the log. */
function interrupted(log: EventLog, between: () => Promise<void>): EventLog {
  let first = true;
  return new Proxy(log, {
    get(target, property) {
      if (property === 'append')
        return async (append: Append) => {
          if (first) {
            first = false;
            await between();
          }
          return target.append(append);
        };
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('handleCommand', () => {
  let dir: string;
  let log: EmbeddedLog;
  let stream: string;
  let streamNo = 0;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'handle-command-'));
    log = await EmbeddedLog.open({ dir, clock: { nowMs } });
  });
  afterAll(async () => {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    stream = `counter-${++streamNo}`;
  });
  const stored = async () => (await log.readStream(stream)).map(({ data }) => data.by);

  it('appends what was decided and answers revision, position and event ids', async () => {
    const runtime = runtimeOn(log);
    const first = await handleCommand(runtime, add(stream, 5));
    const second = await handleCommand(runtime, add(stream, 7));
    expect([first.state, first.revision, first.replayed]).toEqual([5, 0, false]);
    expect([second.state, second.revision]).toEqual([12, 1]);
    expect(second.position).toBe(await log.head());
    expect(second.events).toEqual([{ type: 'Added', eventId: (await log.readStream(stream))[1]!.id }]);
  });

  it('takes the state that deciding gives, unless a reader has folded further meanwhile', async () => {
    const folds: number[] = [];
    const known = (by: number) => {
      let after: number | null = null;
      const request = add(stream, by);
      return {
        ...request,
        decide: (sum: number) => {
          after = sum + by;
          return request.decide(sum);
        },
        after: () => after,
      };
    };
    const plain = runtimeOn(log);
    const runtime: Runtime = {
      ...plain,
      fold: { ...plain.fold, evolve: (sum, { data }) => (folds.push(data.by), sum + data.by) },
    };
    expect((await handleCommand(runtime, known(5))).state).toBe(5);
    expect((await handleCommand(runtime, add(stream, 7))).state).toBe(12);
    expect(folds).toEqual([7]);
    const late = new Proxy<EventLog>(log, {
      get(target, property) {
        if (property === 'append')
          return async (append: Append) => {
            const result = await target.append(append);
            await handleCommand(runtimeOn(log), add(stream, 100));
            await loadStream(runtime, stream);
            return result;
          };
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    expect((await handleCommand({ ...runtime, log: late }, known(1))).state).toBe(113);
    expect((await loadStream(runtime, stream)).state).toBe(113);
  });

  it('answers a repeated command with its first outcome and appends nothing', async () => {
    const commandId = newCommandId();
    const first = await handleCommand(runtimeOn(log), add(stream, 5, { commandId }));
    await handleCommand(runtimeOn(log), add(stream, 7));
    const again = await handleCommand(runtimeOn(log), add(stream, 5, { commandId }));
    expect(again).toEqual({ ...first, state: 12, replayed: true });
    expect(await stored()).toEqual([5, 7]);
  });

  it('takes a known command id for a repetition even when the command would be refused today', async () => {
    const commandId = newCommandId();
    const runtime = runtimeOn(log);
    await handleCommand(runtime, add(stream, 5, { commandId, atMost: 5 }));
    expect((await handleCommand(runtime, add(stream, 5, { commandId, atMost: 5 }))).replayed).toBe(true);
  });

  it('refuses a command id that was used for another command', async () => {
    const commandId = newCommandId();
    await handleCommand(runtimeOn(log), add(stream, 5, { commandId }));
    await expect(handleCommand(runtimeOn(log), add(stream, 6, { commandId }))).rejects.toMatchObject({
      code: 'COMMAND_ID_REUSED',
    });
    expect(await stored()).toEqual([5]);
  });

  it('is not misled by a cache that another process has overtaken', async () => {
    const mine = runtimeOn(log);
    await handleCommand(mine, add(stream, 1));
    await handleCommand(runtimeOn(log), add(stream, 10));
    // Not a conflict: nobody raced this command, its process had merely not looked.
    expect((await handleCommand(mine, add(stream, 100))).state).toBe(111);
    await handleCommand(runtimeOn(log), add(stream, -100));
    // Refused by the cached 111, accepted by the true 11.
    expect((await handleCommand(mine, add(stream, 5, { atMost: 50 }))).state).toBe(16);
    await handleCommand(runtimeOn(log), add(stream, 1000));
    expect((await handleCommand(mine, add(stream, 0))).state).toBe(1016);
  });

  it('answers CONFLICT with the current revision when somebody appended while a person decided', async () => {
    const runtime = runtimeOn(
      interrupted(log, async () => void (await handleCommand(runtimeOn(log), add(stream, 10)))),
    );
    const attempt = handleCommand(runtime, add(stream, 1));
    await expect(attempt).rejects.toThrow(CommandError);
    await expect(attempt).rejects.toMatchObject({ code: 'CONFLICT', currentRevision: 0 });
    expect(await stored()).toEqual([10]);
  });

  it('decides a commuting command anew after a conflict', async () => {
    const runtime = runtimeOn(
      interrupted(log, async () => void (await handleCommand(runtimeOn(log), add(stream, 10)))),
    );
    expect((await handleCommand(runtime, add(stream, 1, { commutes: true }))).state).toBe(11);
    expect(await stored()).toEqual([10, 1]);
  });

  it('gives a commuting command up after three retries', async () => {
    let appends = 0;
    const busy = new Proxy<EventLog>(log, {
      get(target, property) {
        if (property === 'append')
          return async (append: Append) => {
            appends += 1;
            await handleCommand(runtimeOn(log), add(stream, 10));
            return target.append(append);
          };
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    await expect(handleCommand(runtimeOn(busy), add(stream, 1, { commutes: true }))).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(appends).toBe(4);
  });

  it('holds the client to the revision it has seen', async () => {
    const runtime = runtimeOn(log);
    await handleCommand(runtime, add(stream, 1));
    await expect(handleCommand(runtime, add(stream, 1, { expectedRevision: 3 }))).rejects.toMatchObject({
      code: 'CONFLICT',
      currentRevision: 0,
    });
    await handleCommand(runtimeOn(log), add(stream, 1));
    expect((await handleCommand(runtime, add(stream, 1, { expectedRevision: 1 }))).revision).toBe(2);
  });

  it('appends nothing for a refused command but what was due anyway', async () => {
    const runtime = runtimeOn(log);
    await handleCommand(runtime, add(stream, 1));
    const refused = add(stream, 100, { atMost: 50, settles: 2 });
    await expect(handleCommand(runtime, refused)).rejects.toThrow('above 50');
    expect(await stored()).toEqual([1, 2]);
    // Its own id is still unused: sent again when it fits, it is carried out.
    expect(
      (await handleCommand(runtime, { ...refused, decide: () => [{ type: 'Added', data: { by: 4 } }] })).replayed,
    ).toBe(false);
    expect(await stored()).toEqual([1, 2, 4]);
  });

  it('creates no stream for a refused command', async () => {
    await expect(handleCommand(runtimeOn(log), add(stream, 9, { atMost: 1, settles: 2 }))).rejects.toThrow('above 1');
    expect(await stored()).toEqual([]);
  });

  it('lets commands on one stream wait for each other instead of conflicting', async () => {
    const runtime = runtimeOn(log);
    await Promise.all(Array.from({ length: 50 }, () => handleCommand(runtime, add(stream, 1))));
    expect((await loadStream(runtime, stream)).state).toBe(50);
  });

  it('folds every event once while readers and writers overlap', async () => {
    const runtime = runtimeOn(log);
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        index % 3 === 0 ? handleCommand(runtime, add(stream, 1)) : loadStream(runtime, stream),
      ),
    );
    expect([(await loadStream(runtime, stream)).state, await stored()]).toEqual([20, Array(20).fill(1)]);
  });

  it('repeats safely after an append whose outcome is unknown', async () => {
    let failed = false;
    const flaky = new Proxy<EventLog>(log, {
      get(target, property) {
        if (property === 'append')
          return async (append: Append) => {
            const result = await target.append(append);
            if (failed) return result;
            failed = true;
            throw new EventLogError('STORE_UNAVAILABLE', 'the answer got lost');
          };
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const runtime = runtimeOn(flaky);
    const command = add(stream, 5);
    await expect(handleCommand(runtime, command)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await handleCommand(runtime, command)).toMatchObject({ state: 5, revision: 0, replayed: true });
    expect(await stored()).toEqual([5]);
  });
});
