import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
  /** SIGKILL: as a crash. `startRedis(port)` brings an empty one back. */
  kill(): Promise<void>;
}

let found: boolean | null = null;

/** Whether `redis-server` is on PATH. With CI=true a missing one is an error, so that CI cannot skip in silence. */
export function hasRedis(): boolean {
  found ??= spawnSync('redis-server', ['--version']).status === 0;
  if (!found && process.env['CI'] === 'true') throw new Error('CI=true, but redis-server is not on PATH');
  return found;
}

/** A redis-server of its own, without persistence, on a free port of the loopback or the given one. */
export async function startRedis(port?: number): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'lead-ledger-redis-'));
  const chosen = port ?? (await freePort());
  const child = spawn(
    'redis-server',
    ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory],
    { stdio: 'ignore' },
  );
  // A test run that dies must not leave servers behind.
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  const url = `redis://127.0.0.1:${chosen}`;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    process.off('exit', onExit);
    await ended(child, signal);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await answers(child, url);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return { url, port: chosen, pid: child.pid as number, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

async function answers(child: ChildProcess, url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      await redis.ping();
      redis.disconnect();
      return;
    } catch {
      await sleep(25);
    }
  }
  throw new Error('redis-server does not answer');
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await exit;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
