import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

interface Owner {
  readonly pid: number;
  /** Kernel start time of the process, so that a pid given to another process is told apart; '' where unknown. */
  readonly started: string;
  readonly boot: string;
}

const heldHere = new Set<string>();

/**
 * One process a data directory. The lock is a file naming its owner; the lock of a process that is gone (kill -9, a
 * reboot, a container started again with the same pid) is taken over.
 */
export class DataDirLock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Throws when a living process, or this one, holds the directory. */
  static acquire(dir: string): DataDirLock {
    mkdirSync(dir, { recursive: true });
    const file = join(resolve(dir), 'writer.lock');
    if (heldHere.has(file)) throw new Error(`${dir} is already open in this process`);
    const mine: Owner = { pid: process.pid, started: startTime(process.pid), boot: bootId() };
    const draft = `${file}.${process.pid}`;
    write(draft, JSON.stringify(mine));
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          linkSync(draft, file);
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 3) throw error;
        }
        const owner = read(file);
        if (owner && isAlive(owner)) throw new Error(`${dir} is in use by process ${owner.pid}`);
        setAside(file, owner, draft);
      }
    } finally {
      rmSync(draft, { force: true });
    }
    heldHere.add(file);
    return new DataDirLock(file);
  }

  release(): void {
    heldHere.delete(this.#file);
    const owner = read(this.#file);
    if (owner?.pid === process.pid) rmSync(this.#file, { force: true });
  }
}

/** Two processes may find the same stale lock: only the one that moves that very lock away may go on. */
function setAside(file: string, stale: Owner | null, draft: string): void {
  const aside = `${draft}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (JSON.stringify(read(aside)) !== JSON.stringify(stale)) {
    try {
      linkSync(aside, file);
    } catch {
      // a third process has locked in between: the next attempt meets it
    }
  }
  rmSync(aside, { force: true });
}

function isAlive(owner: Owner): boolean {
  // this process does not hold it (heldHere), so the pid is a namesake from before a restart
  if (owner.pid === process.pid) return false;
  if (owner.boot !== '' && bootId() !== '' && owner.boot !== bootId()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const started = startTime(owner.pid);
  return started === '' || owner.started === '' || started === owner.started;
}

function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'zombie' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function read(file: string): Owner | null {
  try {
    const owner = JSON.parse(readFileSync(file, 'utf8')) as Partial<Owner>;
    return typeof owner.pid === 'number'
      ? { pid: owner.pid, started: owner.started ?? '', boot: owner.boot ?? '' }
      : null;
  } catch {
    return null;
  }
}

function write(file: string, text: string): void {
  const fd = openSync(file, 'w');
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
