import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** The whole product as a user runs it: `ledger start` in a process of its own, on a folder and a free port. */
export class LedgerProcess {
  static readonly adminKey = 'admin-key-of-a-test-run-0123456789abcdef';
  private child: ChildProcess | undefined;
  private output = '';

  constructor(
    private readonly dataDir: string,
    readonly port: number,
    private readonly env: Record<string, string> = {},
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when `/readyz` answers 200; throws with everything the process printed when it ends before. */
  async start(timeoutMs = 30_000): Promise<void> {
    this.output = '';
    const child = spawn(process.execPath, ['--max-semi-space-size=64', 'bin/ledger.js', 'start'], {
      env: {
        ...process.env,
        DATA_DIR: this.dataDir,
        PORT: String(this.port),
        LEDGER_ADMIN_KEY: LedgerProcess.adminKey,
        LOG_LEVEL: 'warn',
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    const until = performance.now() + timeoutMs;
    while (performance.now() < until) {
      if (child.exitCode !== null) throw new Error(`the ledger ended with ${child.exitCode}:\n${this.output}`);
      const ready = await fetch(`${this.url}/readyz`).catch(() => null);
      if (ready?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not ready within ${timeoutMs} ms:\n${this.output}`);
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /**
   * Resident memory in MiB, as the kernel counts it (Linux): all of it, and of that the process's own, without the pages of
   * the log's file that the kernel keeps mapped and takes back when somebody else needs the room.
   */
  residentMiB(): { total: number; own: number } {
    const status = readFileSync(`/proc/${this.child?.pid}/status`, 'utf8');
    const of = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
    return { total: of('VmRSS'), own: of('RssAnon') };
  }

  /** Processor time it has used since its start, ms, all threads (Linux: clock ticks of 10 ms). */
  cpuMs(): number {
    return cpuMsIn(`/proc/${this.child?.pid}/stat`);
  }

  /** Of that the main thread's, which commands and HTTP have. */
  mainCpuMs(): number {
    return cpuMsIn(`/proc/${this.child?.pid}/task/${this.child?.pid}/stat`);
  }

  /** NDJSON to a batch path. Throws unless every line was carried out. */
  async batch(path: string, lines: readonly object[]): Promise<void> {
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${LedgerProcess.adminKey}`, 'content-type': 'application/x-ndjson' },
      body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    });
    const answers = (await response.text()).trim().split('\n');
    const refused = answers.find((line) => !line.includes('"position"'));
    if (answers.length !== lines.length || refused !== undefined)
      throw new Error(`${answers.length} answers to ${lines.length} lines, refused: ${refused}`);
  }

  async call(method: string, path: string, body?: unknown, key?: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${LedgerProcess.adminKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }
}

function cpuMsIn(stat: string): number {
  const fields = readFileSync(stat, 'utf8').split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
