import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, ReplyError } from 'ioredis';
import type { Position } from '#libs/event-log/src/event-log.js';
import { contentDigest, type Content } from './content-digest.js';
import { MessagePackWriter } from './message-pack.js';
import {
  CheckpointMoved,
  StoreUnavailable,
  type Op,
  type PartRows,
  type PartVersion,
  type ReadStore,
  type ReadView,
  type ScoreRange,
} from './read-store.js';

export interface RedisStoreOptions {
  /** `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS. */
  readonly url: string;
  /** How long an unanswered command may take before it fails with `StoreUnavailable` (default 3 s). */
  readonly commandTimeoutMs?: number;
  /** The connection was lost or refused, and why: for the log. It is tried again by itself, at least once a second. */
  readonly onProblem?: (problem: { readonly reason: string }) => void;
}

type Argument = string | number | Buffer;

interface Pending {
  readonly command: string;
  readonly args: readonly Argument[];
  // Each promise is made for the type its caller expects.
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The whole commit as one script: checkpoint comparison, all changes, new checkpoint. Groups come packed as
 * `[kind, name, partition, [field, value, …]]`, at most 2,000 values each because Lua cannot unpack more than 8,000.
 * `~<found>`: the checkpoint is another; `!`: no checkpoint but rows, left by a drop that was cut short.
 */
const COMMIT = `
local prefix = KEYS[1]
local found = redis.call('GET', prefix .. 'checkpoint') or ''
if found ~= ARGV[1] then return '~' .. found end
if found == '' and redis.call('EXISTS', prefix .. 'index') == 1 then return '!' end
for _, group in ipairs(cmsgpack.unpack(ARGV[3])) do
  local kind, name, part, list = group[1], group[2], group[3], group[4]
  if kind == 'put' then
    if redis.call('SADD', prefix .. 'parts:' .. name, part) == 1 then redis.call('SADD', prefix .. 'index', 't:' .. name) end
    redis.call('HSET', prefix .. 't:' .. name .. ':' .. part, unpack(list))
    redis.call('HSET', prefix .. 'v:' .. name, part, ARGV[4])
  elseif kind == 'del' then
    local key = prefix .. 't:' .. name .. ':' .. part
    redis.call('HDEL', key, unpack(list))
    if redis.call('EXISTS', key) == 1 then redis.call('HSET', prefix .. 'v:' .. name, part, ARGV[4])
    else
      redis.call('SREM', prefix .. 'parts:' .. name, part)
      redis.call('HDEL', prefix .. 'v:' .. name, part)
    end
  elseif kind == 'score' then
    redis.call('SADD', prefix .. 'index', 'z:' .. name)
    redis.call('ZADD', prefix .. 'z:' .. name, unpack(list))
  elseif kind == 'unscore' then
    redis.call('ZREM', prefix .. 'z:' .. name, unpack(list))
  else
    redis.call('SADD', prefix .. 'index', 'c:' .. name)
    local key = prefix .. 'c:' .. name
    for at = 1, #list, 2 do
      if redis.call('HINCRBY', key, list[at], list[at + 1]) == 0 then redis.call('HDEL', key, list[at]) end
    end
  end
end
redis.call('SET', prefix .. 'checkpoint', ARGV[2])
return 'ok'
`;
const COMMIT_SHA = createHash('sha1').update(COMMIT).digest('hex');
const GROUP_VALUES = 2_000;
const UNLINK_KEYS = 500;
const ACTIVE_KEY = 'll:active';
const LOOK_AGAIN_MS = 10;

/** Replies with which a server says "not now" rather than "never". */
const UNAVAILABLE_REPLY =
  /^(LOADING|READONLY|MASTERDOWN|NOREPLICAS|BUSY|OOM|CLUSTERDOWN|TRYAGAIN|MISCONF|NOAUTH|WRONGPASS|EXECABORT|ERR max number of clients)/;

/**
 * Read views in Redis (6 or later, `maxmemory-policy noeviction`): hashes per partition under `ll:{<name>@<version>}:`, so
 * that a view version lies in one cluster slot. Holds nothing the log cannot rebuild. While Redis is away commands fail at
 * once, none is queued; when it is back they succeed again, perhaps on an empty database with no checkpoint.
 */
export class RedisStore implements ReadStore {
  private readonly redis: Redis;
  private readonly views = new Map<string, RedisView>();
  private pending: Pending[] = [];
  private lastProblem = '';

  constructor(private readonly options: RedisStoreOptions) {
    this.redis = new Redis(options.url, {
      protocol: 2,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 2_000,
      disconnectTimeout: 200,
      commandTimeout: options.commandTimeoutMs ?? 3_000,
      retryStrategy: (attempt) => Math.min(1_000, 50 * attempt),
    });
    this.redis.on('error', (error: Error) => this.report(error.message));
    this.redis.on('ready', () => {
      this.lastProblem = '';
    });
  }

  /** Resolves when Redis answers; rejects with `StoreUnavailable`. For the start and for health checks. */
  async ping(): Promise<void> {
    await this.send('PING');
  }

  open(name: string, version: number): RedisView {
    const id = `${name}@${version}`;
    let view = this.views.get(id);
    if (view === undefined) {
      view = new RedisView(name, version, this);
      this.views.set(id, view);
    }
    return view;
  }

  async activeVersion(name: string): Promise<number | null> {
    const version = await this.send<string | null>('HGET', ACTIVE_KEY, name);
    return version === null ? null : Number(version);
  }

  async activate(name: string, version: number): Promise<void> {
    await this.send('HSET', ACTIVE_KEY, name, version);
  }

  async drop(name: string, version: number): Promise<void> {
    await this.open(name, version).clear();
  }

  async close(): Promise<void> {
    this.redis.disconnect();
  }

  /** Commands of one turn of the event loop go out together, in order. */
  send<T>(command: string, ...args: readonly Argument[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.pending.push({ command, args, resolve, reject });
      if (this.pending.length === 1) process.nextTick(() => void this.flush());
    });
  }

  /** One MULTI…EXEC: nobody's commit comes in between. */
  async atomically(commands: readonly (readonly [string, ...Argument[]])[]): Promise<unknown[]> {
    try {
      await this.whenReady();
      const multi = this.redis.multi();
      for (const [command, ...args] of commands) multi.call(command, ...args);
      const results = await multi.exec();
      if (results === null) throw new Error('The transaction was discarded');
      return results.map(([error, reply]) => {
        if (error !== null) throw error;
        return reply;
      });
    } catch (error) {
      throw this.asUnavailable(error);
    }
  }

  private async flush(): Promise<void> {
    let batch: Pending[] = [];
    try {
      if (this.redis.status !== 'ready') await this.whenReady();
      batch = this.pending;
      this.pending = [];
      const pipeline = this.redis.pipeline();
      for (const { command, args } of batch) pipeline.call(command, ...args);
      const results = (await pipeline.exec()) ?? [];
      for (const [index, { resolve, reject }] of batch.entries()) {
        const [error, reply] = results[index] ?? [new Error('No reply'), null];
        if (error === null) resolve(reply as never);
        else reject(this.asUnavailable(error));
      }
    } catch (error) {
      if (batch.length === 0) {
        batch = this.pending;
        this.pending = [];
      }
      for (const { reject } of batch) reject(this.asUnavailable(error));
    }
  }

  /** Waits for a connection being made for the first time or again, but not for the next attempt. */
  private async whenReady(): Promise<void> {
    const { redis } = this;
    if (redis.status === 'ready') return;
    if (redis.status !== 'connecting' && redis.status !== 'connect') {
      throw new StoreUnavailable(`Redis is not connected${this.lastProblem === '' ? '' : `: ${this.lastProblem}`}`);
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        redis.off('ready', settle);
        redis.off('close', settle);
        if (redis.status === 'ready') resolve();
        else reject(new StoreUnavailable(`Redis cannot be reached: ${this.lastProblem || 'no answer'}`));
      };
      const timer = setTimeout(settle, this.options.commandTimeoutMs ?? 3_000);
      redis.on('ready', settle);
      redis.on('close', settle);
    });
  }

  private asUnavailable(error: unknown): unknown {
    if (error instanceof StoreUnavailable) return error;
    if (error instanceof ReplyError && !UNAVAILABLE_REPLY.test((error as Error).message)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new StoreUnavailable(`Redis did not answer: ${reason}`, { cause: error });
  }

  private report(reason: string): void {
    if (reason === this.lastProblem) return;
    this.lastProblem = reason;
    this.options.onProblem?.({ reason });
  }
}

class RedisView implements ReadView, Content {
  private readonly prefix: string;

  constructor(
    readonly name: string,
    readonly version: number,
    private readonly store: RedisStore,
  ) {
    this.prefix = `ll:{${name}@${version}}:`;
  }

  checkpoint(): Promise<Position | null> {
    return this.store.send<string | null>('GET', `${this.prefix}checkpoint`);
  }

  async reach(position: Position, withinMs: number): Promise<Position | null> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = await this.checkpoint();
      if ((found !== null && found >= position) || performance.now() >= deadline) return found;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  async commit(from: Position | null, to: Position, ops: readonly Op[]): Promise<void> {
    // Never the same twice: data that was lost and filled again must not pass for what was there before.
    const version = randomBytes(9).toString('base64');
    const args = [1, this.prefix, from ?? '', to, packOps(ops), version] as const;
    let outcome = await this.run(args);
    if (outcome === '!') {
      await this.clear();
      outcome = await this.run(args);
    }
    if (outcome.startsWith('~')) throw new CheckpointMoved(from, outcome.slice(1) || null);
  }

  get(table: string, part: string, keys: readonly string[]): Promise<(string | null)[]> {
    if (keys.length === 0) return Promise.resolve([]);
    return this.store.send('HMGET', this.rowsKey(table, part), ...keys);
  }

  async rows(table: string, part: string): Promise<Map<string, string>> {
    return pairs(await this.store.send<string[]>('HGETALL', this.rowsKey(table, part)));
  }

  async rowsBetween(table: string, fromPart: string, toPart: string): Promise<[string, string, string][]> {
    const wanted = (parts: string[]): string[] => parts.filter((part) => part >= fromPart && part <= toPart).sort();
    let parts = wanted(await this.store.send<string[]>('SMEMBERS', `${this.prefix}parts:${table}`));
    for (;;) {
      const [known, ...replies] = (await this.store.atomically([
        ['SMEMBERS', `${this.prefix}parts:${table}`],
        ...parts.map((part): [string, string] => ['HGETALL', this.rowsKey(table, part)]),
      ])) as [string[], ...string[][]];
      const found = wanted(known);
      // A partition that came or went since the first look: look again, so that no row is missed or seen twice.
      if (found.length === parts.length && found.every((part, index) => part === parts[index])) {
        return replies.flatMap((reply, index) => rowsOf(parts[index] as string, reply));
      }
      parts = found;
    }
  }

  async partsBetween(
    table: string,
    fromPart: string,
    toPart: string,
    known: (part: string) => PartVersion | undefined,
  ): Promise<PartRows[]> {
    const wanted = new Set<string>();
    for (;;) {
      const read = [...wanted];
      const [reply, ...replies] = (await this.store.atomically([
        ['HGETALL', `${this.prefix}v:${table}`],
        ...read.map((part): [string, string] => ['HGETALL', this.rowsKey(table, part)]),
      ])) as [string[], ...string[][]];
      const rows = new Map(read.map((part, index) => [part, inPairs(replies[index] as string[])]));
      const found: PartRows[] = [];
      for (const [part, version] of inPairs(reply)) {
        if (part < fromPart || part > toPart) continue;
        const list = known(part) === version ? null : rows.get(part);
        // Changed since the last look: look again, so that all is as of one commit.
        if (list === undefined) wanted.add(part);
        else found.push({ part, version, rows: list });
      }
      if (wanted.size === read.length) return found.sort((a, b) => (a.part < b.part ? -1 : 1));
    }
  }

  async partitions(table: string): Promise<string[]> {
    return (await this.store.send<string[]>('SMEMBERS', `${this.prefix}parts:${table}`)).sort();
  }

  async scored(set: string, { min, max, limit }: ScoreRange = {}): Promise<[string, number][]> {
    const reply = await this.store.send<string[]>(
      'ZRANGEBYSCORE',
      `${this.prefix}z:${set}`,
      String(min ?? '-inf'),
      String(max ?? '+inf'),
      'WITHSCORES',
      ...(limit === undefined ? [] : ['LIMIT', 0, limit]),
    );
    return [...pairs(reply)].map(([member, score]) => [member, Number(score)]);
  }

  async counters(name: string): Promise<Map<string, number>> {
    const values = pairs(await this.store.send<string[]>('HGETALL', `${this.prefix}c:${name}`));
    return new Map([...values].map(([key, value]) => [key, Number(value)]));
  }

  digest(): Promise<string> {
    return contentDigest(this);
  }

  async tables(): Promise<string[]> {
    return this.indexed('t:');
  }

  async sets(): Promise<string[]> {
    return this.indexed('z:');
  }

  async counterNames(): Promise<string[]> {
    return this.indexed('c:');
  }

  /** The checkpoint goes first and the index last: whoever finds an index without a checkpoint drops the rest. */
  async clear(): Promise<void> {
    const { prefix, store } = this;
    await store.send('UNLINK', `${prefix}checkpoint`);
    for (const entry of await this.indexed('')) {
      const kind = entry.slice(0, 2);
      const name = entry.slice(2);
      const parts = kind === 't:' ? await this.partitions(name) : [];
      for (let at = 0; at < parts.length; at += UNLINK_KEYS) {
        await store.send('UNLINK', ...parts.slice(at, at + UNLINK_KEYS).map((part) => this.rowsKey(name, part)));
      }
      if (kind === 't:') await store.send('UNLINK', `${prefix}parts:${name}`, `${prefix}v:${name}`);
      else await store.send('UNLINK', `${prefix}${entry}`);
    }
    await store.send('UNLINK', `${prefix}index`);
  }

  private async run(args: readonly Argument[]): Promise<string> {
    try {
      return await this.store.send<string>('EVALSHA', COMMIT_SHA, ...args);
    } catch (error) {
      if (!(error instanceof ReplyError) || !(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return this.store.send<string>('EVAL', COMMIT, ...args);
    }
  }

  private async indexed(prefix: string): Promise<string[]> {
    const entries = await this.store.send<string[]>('SMEMBERS', `${this.prefix}index`);
    return entries.filter((entry) => entry.startsWith(prefix)).map((entry) => entry.slice(prefix.length));
  }

  private rowsKey(table: string, part: string): string {
    return `${this.prefix}t:${table}:${part}`;
  }
}

interface Group {
  readonly kind: Op['op'];
  readonly name: string;
  readonly part: string;
  readonly values: string[];
}

function packOps(ops: readonly Op[]): Buffer {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  const into = (kind: Op['op'], name: string, part: string): string[] => {
    const id = `${kind}\0${name}\0${part}`;
    let group = open.get(id);
    if (group === undefined || group.values.length >= GROUP_VALUES) {
      group = { kind, name, part, values: [] };
      open.set(id, group);
      groups.push(group);
    }
    return group.values;
  };
  for (const op of ops) {
    if (op.op === 'put') into('put', op.table, op.part).push(op.key, op.value);
    else if (op.op === 'score') into('score', op.set, '').push(String(op.score), op.member);
    else if (op.op === 'unscore') into('unscore', op.set, '').push(op.member);
    else if (op.op === 'add') into('add', op.counters, '').push(op.key, String(op.by));
  }
  // After the puts: a partition that only changes its rows is not forgotten and listed again.
  for (const op of ops) if (op.op === 'del') into('del', op.table, op.part).push(op.key);
  const packed = new MessagePackWriter(1_024 + ops.length * 200);
  packed.array(groups.length);
  for (const { kind, name, part, values } of groups) {
    packed.array(4);
    packed.string(kind);
    packed.string(name);
    packed.string(part);
    packed.array(values.length);
    for (const value of values) packed.string(value);
  }
  return packed.finish();
}

function inPairs(reply: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let index = 0; index < reply.length; index += 2) {
    found.push([reply[index] as string, reply[index + 1] as string]);
  }
  return found;
}

function pairs(reply: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let at = 0; at < reply.length; at += 2) map.set(reply[at] as string, reply[at + 1] as string);
  return map;
}

function rowsOf(part: string, reply: readonly string[]): [string, string, string][] {
  const rows: [string, string, string][] = [];
  for (let at = 0; at < reply.length; at += 2) rows.push([part, reply[at] as string, reply[at + 1] as string]);
  return rows;
}
