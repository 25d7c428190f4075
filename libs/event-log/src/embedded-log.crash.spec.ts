import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { transformSync } from '@swc/core';
import { EmbeddedLog } from './embedded-log.js';

const here = new URL('.', import.meta.url).pathname;
/** Of util-linux: sets what a process may write, from outside. */
const LIMITER = 'prlimit';
const clock = { nowMs: (): number => 1_500_000_000_000 };

/** Appends two events at a time to many streams, without end, and prints each append that was acknowledged. */
const WRITER = `
import { randomUUID } from 'node:crypto';
import { EmbeddedLog } from './embedded-log.js';
const log = await EmbeddedLog.open({ dir: process.argv[2], clock: { nowMs: () => 1500000000000 } });
console.log('open');
const event = (n) => ({ id: randomUUID(), type: 'Noted', data: { n, text: 'x'.repeat(300) }, metadata: {} });
await Promise.all(Array.from({ length: 16 }, async (_, worker) => {
  for (let n = 0; ; n += 2) {
    const stream = process.pid + '-' + worker;
    await log.append({ stream, expectedRevision: n === 0 ? 'no_stream' : n - 1, events: [event(n), event(n + 1)] });
    console.log(stream + ' ' + (n + 1));
  }
}));
`;

/** Opens the log, says whether it could, and waits. */
const HOLDER = `
import { EmbeddedLog } from './embedded-log.js';
try {
  await EmbeddedLog.open({ dir: process.argv[2], clock: { nowMs: () => 0 } });
  console.log('open');
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error.code);
}
`;

/** Appends as much as it is told to, which hardly shrinks, and says how that went. */
const ASKED = `
import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { EmbeddedLog } from './embedded-log.js';
process.on('SIGXFSZ', () => {});
const log = await EmbeddedLog.open({ dir: process.argv[2], clock: { nowMs: () => 0 } });
console.log('open');
for await (const line of createInterface({ input: process.stdin })) {
  const events = [{ id: randomUUID(), type: 'Noted', data: { text: randomBytes(line / 2).toString('hex') }, metadata: {} }];
  const outcome = await log.append({ stream: 's', expectedRevision: 'any', events }).then((r) => r.revision, (e) => e.code);
  console.log(outcome + ' ' + (await log.readStream('s')).length);
}
`;

/** As ASKED, and says what another thread that follows the log was delivered of it, and reads. */
const FOLLOWED = `
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { EmbeddedLog } from './embedded-log.js';
const clock = { nowMs: () => 0 };
if (isMainThread) {
  process.on('SIGXFSZ', () => {});
  const dir = process.argv[2];
  const log = await EmbeddedLog.open({ dir, clock });
  const thread = new Worker(new URL(import.meta.url), { workerData: dir });
  await once(thread, 'message');
  let released;
  thread.on('message', (message) => message === 'released' && released());
  log.store.tell({
    advance: (head) => thread.postMessage(['advance', head]),
    release: () => new Promise((resolve) => { released = resolve; thread.postMessage(['release']); }),
    resume: () => thread.postMessage(['resume']),
  });
  console.log('open');
  for await (const line of createInterface({ input: process.stdin })) {
    const events = [{ id: randomUUID(), type: 'Noted', data: { text: randomBytes(line / 2).toString('hex') }, metadata: {} }];
    const outcome = await log.append({ stream: 's', expectedRevision: 'any', events }).then((r) => r.revision, (e) => e.code);
    thread.postMessage(['tell', (await log.readStream('s')).length]);
    for (let told; ; ) { [told] = await once(thread, 'message'); if (told !== 'released') { console.log(outcome + ' ' + told); break; } }
  }
} else {
  const log = await EmbeddedLog.follow({ dir: workerData, clock });
  let delivered = 0;
  let waiting = () => {};
  parentPort.on('message', async ([what, n]) => {
    if (what === 'advance') log.store.advance(n);
    else if (what === 'resume') log.store.resume();
    else if (what === 'release') { await log.store.release(); parentPort.postMessage('released'); }
    else {
      while (delivered < n) await new Promise((resolve) => (waiting = resolve));
      const refused = await log.append({ stream: 's', expectedRevision: 'any', events: [] }).then(() => 'taken', (e) => e.code);
      parentPort.postMessage(delivered + ' ' + (await log.readStream('s')).length + ' ' + refused);
    }
  });
  parentPort.postMessage('ready');
  for await (const { events } of log.subscribe()) { delivered += events.length; waiting(); }
}
`;

describe('the embedded log in processes of its own', () => {
  let code: string;
  const children: ChildProcess[] = [];

  beforeAll(() => {
    code = mkdtempSync(join(tmpdir(), 'embedded-log-code-'));
    for (const file of readdirSync(here)) {
      if (!file.endsWith('.ts') || /\.(spec|contract)\.ts$/.test(file)) continue;
      const { code: text } = transformSync(readFileSync(join(here, file), 'utf8'), {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      writeFileSync(join(code, file.replace(/ts$/, 'js')), text);
    }
    writeFileSync(join(code, 'package.json'), '{"type":"module"}');
    writeFileSync(join(code, 'writer.js'), WRITER);
    writeFileSync(join(code, 'holder.js'), HOLDER);
    writeFileSync(join(code, 'asked.js'), ASKED);
    writeFileSync(join(code, 'followed.js'), FOLLOWED);
    symlinkSync(join(here, '../../../node_modules'), join(code, 'node_modules'));
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(code, { recursive: true });
  });

  function start(script: string, dir: string): { child: ChildProcess; line: () => Promise<string> } {
    const child = spawn(process.execPath, [join(code, script), dir], { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      child,
      line: async () => {
        const { value, done } = await lines.next();
        return done ? '' : value;
      },
    };
  }

  const killed = async (child: ChildProcess): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };

  const emptyDir = (): string => {
    const dir = join(code, `data-${children.length}-${readdirSync(code).length}`);
    mkdirSync(dir);
    return dir;
  };

  it('keeps every acknowledged append, whole, when its process is killed', async () => {
    const dir = emptyDir();
    const acknowledged = new Map<string, number>();
    for (const patience of [50, 400, 900]) {
      const { child, line } = start('writer.js', dir);
      expect(await line()).toBe('open');
      for (let n = 0; n < patience; n += 1) {
        const [stream, revision] = (await line()).split(' ');
        acknowledged.set(stream!, Number(revision));
      }
      await killed(child);
    }
    const log = await EmbeddedLog.open({ dir, clock });
    for (const [stream, revision] of acknowledged) {
      const events = await log.readStream(stream);
      expect(events.length).toBeGreaterThan(revision);
      // two events an append: an odd count would be half of one
      expect(events.length % 2).toBe(0);
      expect(events.map((event) => event.data['n'])).toEqual(events.map((_, n) => n));
    }
    const { events } = await log.readAll({ limit: 1_000_000 });
    const positions = events.map((event) => parseInt(event.position, 16));
    expect(positions).toEqual(positions.map((_, n) => n + 1));
    const next = await log.append({ stream: 'after', expectedRevision: 'no_stream', events: [] });
    expect(parseInt(next.position, 16)).toBe(positions.length);
    await log.close();
  });

  it('is opened by one process at a time, and by the next as soon as that one is gone, however it went', async () => {
    const dir = emptyDir();
    const first = start('holder.js', dir);
    expect(await first.line()).toBe('open');
    expect(await start('holder.js', dir).line()).toBe('STORE_UNAVAILABLE');
    await killed(first.child);
    const second = start('holder.js', dir);
    expect(await second.line()).toBe('open');
    await killed(second.child);
  });

  it('stops a writer for good that has lost its directory to another one', async () => {
    const dir = emptyDir();
    const first = start('asked.js', dir);
    expect(await first.line()).toBe('open');
    rmSync(join(dir, 'writer.lock'));
    const second = start('asked.js', dir);
    expect(await second.line()).toBe('open');
    for (const [writer, outcome] of [
      [second, '0 1'],
      [first, 'STORE_UNAVAILABLE 1'],
      [first, 'STORE_UNAVAILABLE 1'],
      [second, '1 2'],
    ] as const) {
      writer.child.stdin!.write('10\n');
      expect(await writer.line()).toBe(outcome);
    }
    await killed(first.child);
    await killed(second.child);
  });

  const limited = (): boolean => {
    try {
      execFileSync(LIMITER, ['--version']);
      return process.platform === 'linux';
    } catch {
      return false;
    }
  };

  (limited() ? it : it.skip)(
    'says STORE_UNAVAILABLE while nothing can be written, reads on, and recovers by itself',
    async () => {
      const { child, line } = start('asked.js', emptyDir());
      const append = async (bytes: number): Promise<string> => {
        child.stdin!.write(`${bytes}\n`);
        return line();
      };
      const limitFiles = (bytes: string): unknown =>
        execFileSync(LIMITER, [`--fsize=${bytes}:unlimited`, '--pid', String(child.pid)]);
      expect(await line()).toBe('open');
      expect(await append(1000)).toBe('0 1');
      limitFiles('100000');
      expect(await append(500_000)).toBe('STORE_UNAVAILABLE 1');
      expect(await append(500_000)).toBe('STORE_UNAVAILABLE 1');
      limitFiles('unlimited');
      expect(await append(500_000)).toBe('1 2');
      await killed(child);
    },
  );

  (limited() ? it : it.skip)(
    'is followed from another thread, which reads what is durable and writes nothing, also over a recovery',
    async () => {
      const { child, line } = start('followed.js', emptyDir());
      const append = async (bytes: number): Promise<string> => {
        child.stdin!.write(`${bytes}\n`);
        return line();
      };
      const limitFiles = (bytes: string): unknown =>
        execFileSync(LIMITER, [`--fsize=${bytes}:unlimited`, '--pid', String(child.pid)]);
      expect(await line()).toBe('open');
      expect(await append(1000)).toBe('0 1 1 STORE_UNAVAILABLE');
      expect(await append(1000)).toBe('1 2 2 STORE_UNAVAILABLE');
      limitFiles('100000');
      expect(await append(500_000)).toBe('STORE_UNAVAILABLE 2 2 STORE_UNAVAILABLE');
      limitFiles('unlimited');
      expect(await append(500_000)).toBe('2 3 3 STORE_UNAVAILABLE');
      expect(await append(1000)).toBe('3 4 4 STORE_UNAVAILABLE');
      await killed(child);
    },
  );
});
