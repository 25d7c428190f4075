import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LedgerClient } from './support/ledger-client.js';

const ADMIN_KEY = 'an-administrators-key-of-the-start';
const MASTER_KEY = Buffer.alloc(32, 5).toString('base64');
/** Nobody listens there, and nobody may without being root. */
const NOBODY = '127.0.0.1:1';

/** A built copy of the present sources: whatever `dist` holds, and whoever builds it meanwhile, is not asked. */
let installed: string;
const running = new Set<Ledger>();

beforeAll(async () => {
  installed = await mkdtemp(join(tmpdir(), 'lead-ledger-start-'));
  for (const part of ['package.json', 'bin']) await cp(part, join(installed, part), { recursive: true });
  await symlink(resolve('node_modules'), join(installed, 'node_modules'), 'dir');
  const compiler = [resolve('node_modules/typescript-7/bin/tsc'), '-p', resolve('tsconfig.build.json')];
  const output = ['--outDir', join(installed, 'dist'), '--sourceMap', 'false'];
  await promisify(execFile)(process.execPath, [...compiler, ...output]).catch((error: { stdout: string }) => {
    throw new Error(`the sources do not compile:\n${error.stdout}`, { cause: error });
  });
  process.once('exit', endAll);
}, 180_000);
afterEach(async () => {
  for (const ledger of running) await ledger.end('SIGKILL');
});
afterAll(async () => {
  process.off('exit', endAll);
  await rm(installed, { recursive: true, force: true });
}, 30_000);
/** A test run that dies must not leave ledgers behind: in groups of their own, they do not hear what ends it. */
const endAll = (): void => {
  for (const ledger of running) void ledger.end('SIGKILL');
};

const ledgerCommand = (): readonly string[] => [process.execPath, join(installed, 'bin/ledger.js')];

/** `ledger <arguments>` in a process group of its own, with no setting but those given. */
class Ledger {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | NodeJS.Signals>;

  constructor(args: readonly string[], settings: Readonly<Record<string, string>>, command = ledgerCommand()) {
    this.#child = spawn(command[0]!, [...command.slice(1), ...args], {
      cwd: installed,
      detached: true,
      env: { PATH: process.env['PATH'], LOG_LEVEL: 'warn', ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#ended = new Promise((done, failed) => {
      this.#child.once('error', failed);
      this.#child.once('close', (code, signal) => {
        running.delete(this);
        done(code ?? signal!);
      });
    });
  }

  /** `ledger start` on a free port, once it is ready. */
  static async start(
    dataDir: string,
    settings: Readonly<Record<string, string>> = {},
    command = ledgerCommand(),
  ): Promise<Ledger> {
    const own = { DATA_DIR: dataDir, PORT: '0', LEDGER_ADMIN_KEY: ADMIN_KEY };
    const ledger = new Ledger(['start'], { ...own, ...settings }, command);
    for (let tries = 0; tries < 600 && running.has(ledger); tries++) {
      const ready = ledger.url === null ? null : await fetch(`${ledger.url}/readyz`).catch(() => null);
      if (ready?.ok) return ledger;
      await sleep(100);
    }
    throw new Error(`the ledger did not become ready:\n${ledger.stdout}\n${ledger.stderr}`);
  }

  get url(): string | null {
    return /listens on (http:\S+)/.exec(this.stdout)?.[1] ?? null;
  }
  get client(): LedgerClient {
    return new LedgerClient(this.url!, ADMIN_KEY);
  }
  /** Exit code, or the signal that it died of; everything it printed has been read then. */
  get ended(): Promise<number | NodeJS.Signals> {
    return this.#ended;
  }
  /** Whether anything it started outlived it. */
  get leftSomething(): boolean {
    try {
      return process.kill(-this.#child.pid!, 0);
    } catch {
      return false;
    }
  }

  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

const dataDir = (): Promise<string> => mkdtemp(join(installed, 'data-'));

/** Captured, and one of three handed over to sales. */
async function captureThree({ client }: Ledger, from: string): Promise<void> {
  for (const n of [1, 2, 3]) {
    const captured = await client.command('/v1/leads', {
      person: { givenName: 'Anna', familyName: 'Example', email: `${from}${n}@example.org` },
      captureMethod: 'form',
      interest: { kind: 'active', request: 'demo' },
      source: { channel: 'search', code: from },
      consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '1' }],
    });
    expect(captured.status).toBe(201);
    if (n > 1) continue;
    const marked = await client.command(`/v1/leads/${captured.body.leadId}/mark-mql`, { reason: 'agreed criteria' });
    expect(marked.status).toBe(200);
  }
}

/** The figures by source, of everything in the log. */
async function stock({ client }: Ledger): Promise<{ figures: unknown; leads: number }> {
  const { position } = (await client.get('/v1/events?limit=1000')).body;
  const answer = await client.get(`/v1/reports/stock?by=source&after=${position}`);
  expect(answer.status).toBe(200);
  const { rows, total } = answer.body;
  // Drill links carry the moment they were asked for.
  const figures = JSON.parse(JSON.stringify({ rows, total }, (key, value) => (key === 'drill' ? null : value)));
  return { figures, leads: total.leads.count };
}

describe('a start that cannot succeed', () => {
  const wrong: readonly [what: string, setting: string, settings: Record<string, string>, says: RegExp][] = [
    ['a value that is none', 'PORT', { PORT: 'abc' }, /port number/],
    ['an unknown setting of ours', 'LEDGER_COLOUR', { LEDGER_COLOUR: 'red' }, /unknown setting/],
    [
      'an event log out of reach',
      'EVENTSTORE_URL',
      { EVENTSTORE_URL: `esdb://${NOBODY}?tls=false`, LEDGER_MASTER_KEY: MASTER_KEY },
      /cannot reach the event log/,
    ],
    ['a Redis out of reach', 'REDIS_URL', { REDIS_URL: `redis://${NOBODY}` }, /cannot reach Redis/],
  ];

  it.each(wrong)(
    'for %s: names %s on stderr, exits 1 and leaves nothing running',
    async (_what, name, given, says) => {
      const data = await dataDir();
      const ledger = new Ledger(['start'], { DATA_DIR: data, PORT: '0', ...given });
      expect(await ledger.ended).toBe(1);
      const message = ledger.stderr.split('\n').filter((line) => line.startsWith('ledger: '));
      expect(message).toEqual([expect.stringMatching(says)]);
      expect(message[0]).toMatch(new RegExp(`^ledger: ${name}: `));
      expect(ledger.stderr).not.toMatch(/^ +at /m);
      expect(ledger.stdout).toBe('');
      expect(ledger.leftSomething).toBe(false);
    },
    60_000,
  );

  it('for a folder that another process works on: names DATA_DIR, and the other works on', async () => {
    const data = await dataDir();
    const first = await Ledger.start(data);
    const second = new Ledger(['start'], { DATA_DIR: data, PORT: '0', LEDGER_ADMIN_KEY: ADMIN_KEY });
    expect(await second.ended).toBe(1);
    expect(second.stderr).toMatch(/^ledger: DATA_DIR: .*is in use by process \d+/m);
    expect(second.leftSomething).toBe(false);
    await captureThree(first, 'fair');
    expect(await first.end('SIGTERM')).toBe(0);
  }, 90_000);

  it('for a port that is taken: names PORT and lets go of the folder', async () => {
    const first = await Ledger.start(await dataDir());
    const data = await dataDir();
    const second = new Ledger(['start'], { DATA_DIR: data, PORT: new URL(first.url!).port });
    expect(await second.ended).toBe(1);
    expect(second.stderr).toMatch(/^ledger: PORT: cannot listen on /m);
    await first.end('SIGTERM');
    expect(await (await Ledger.start(data)).end('SIGTERM')).toBe(0);
  }, 120_000);
});

describe('a ledger that ends', () => {
  it('exits 0 within 10 s of SIGTERM, whoever still waits, and answers the same after the next start', async () => {
    const data = await dataDir();
    const first = await Ledger.start(data);
    await captureThree(first, 'fair');
    const before = await stock(first);
    expect(before.leads).toBe(3);
    const { position } = (await first.client.get('/v1/events?limit=1000')).body;
    const waiting = first.client.get(`/v1/events?after=${position}&wait=30`).catch(() => null);

    const toldMs = performance.now();
    expect(await first.end('SIGTERM')).toBe(0);
    expect(performance.now() - toldMs).toBeLessThan(10_000);
    expect(first.leftSomething).toBe(false);
    await waiting;

    const next = await Ledger.start(data);
    expect(await stock(next)).toEqual(before);
    expect(await next.end('SIGTERM')).toBe(0);
    expect(next.stderr).not.toContain('snapshot');
  }, 120_000);

  it('stops when it was `npm start` that got SIGTERM', async () => {
    const npm = await Ledger.start(await dataDir(), { LOG_LEVEL: 'info' }, ['npm']);
    // Resolves when nobody holds the output any more: not npm, not its shell, not the ledger behind both.
    await npm.end('SIGTERM');
    expect(npm.stdout + npm.stderr).toContain('stopping');
    await expect(fetch(`${npm.url}/healthz`)).rejects.toThrow('fetch failed');
  }, 30_000);

  it('complains of a damaged snapshot of its read models, and answers the same without it', async () => {
    const data = await dataDir();
    const first = await Ledger.start(data);
    await captureThree(first, 'fair');
    const before = await stock(first);
    expect(await first.end('SIGTERM')).toBe(0);

    const views = (await readdir(join(data, 'views'))).filter((file) => file.endsWith('.snapshot'));
    expect(views).not.toEqual([]);
    for (const file of views) {
      const snapshot = await readFile(join(data, 'views', file));
      const middle = Math.floor(snapshot.length / 2);
      snapshot[middle] = snapshot[middle]! ^ 0xff;
      await writeFile(join(data, 'views', file), snapshot);
    }
    const next = await Ledger.start(data);
    expect(await stock(next)).toEqual(before);
    expect(await next.end('SIGTERM')).toBe(0);
    expect(next.stderr).toContain('snapshot ignored');
  }, 120_000);

  it('has everything it acknowledged after SIGKILL, with a snapshot that is behind', async () => {
    const data = await dataDir();
    const first = await Ledger.start(data);
    await captureThree(first, 'fair');
    expect(await first.end('SIGTERM')).toBe(0);
    const second = await Ledger.start(data);
    await captureThree(second, 'webinar');
    const before = await stock(second);
    expect(before.leads).toBe(6);
    expect(await second.end('SIGKILL')).toBe('SIGKILL');

    const next = await Ledger.start(data);
    expect(await stock(next)).toEqual(before);
    expect(await next.end('SIGTERM')).toBe(0);
  }, 180_000);
});

describe('a ledger of which the thread of the read models dies', () => {
  it('says so, exits 1, and has everything it acknowledged after the next start', async () => {
    const folder = await dataDir();
    const defect = join(folder, 'defect.mjs');
    await writeFile(
      defect,
      `import { isMainThread, threadId } from 'node:worker_threads';
       import { existsSync } from 'node:fs';
       if (!isMainThread && threadId === 1) setInterval(() => {
         if (existsSync(${JSON.stringify(join(folder, 'now'))})) throw new Error('a defect of this test');
       }, 20);`,
    );
    const [node, ledger] = ledgerCommand() as [string, string];
    const first = await Ledger.start(folder, {}, [node, '--import', defect, ledger]);
    await captureThree(first, 'defect');
    const before = await stock(first);
    await writeFile(join(folder, 'now'), '');
    expect(await first.ended).toBe(1);
    expect(first.stderr).toContain('a defect of this test');
    expect(first.stderr).toContain('start it again');
    const second = await Ledger.start(folder);
    expect(await stock(second)).toEqual(before);
    expect(await second.end('SIGTERM')).toBe(0);
  }, 180_000);
});

describe('the command line', () => {
  it('exits 2 for a verb that it does not know, and shows those it does', async () => {
    const ledger = new Ledger(['nonsense'], {});
    expect(await ledger.ended).toBe(2);
    expect(ledger.stderr).toContain("unknown command 'nonsense'");
    expect(ledger.stderr).toMatch(/^ +start /m);
  });

  it('exits 0 for its help', async () => {
    const ledger = new Ledger(['--help'], {});
    expect(await ledger.ended).toBe(0);
    expect(ledger.stdout).toMatch(/^ +import /m);
  });
});
