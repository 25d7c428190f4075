import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { EventLog } from '#libs/event-log/src/event-log.js';
import { LruMap } from '#libs/event-log/src/lru-map.js';
import { derivedId } from '#libs/event-log/src/ids.js';
import type { HistoryWriter, ImportActor } from './history-writer.js';
import { ImportError } from './import-error.js';
import { asSkipped, ImportJob, isSettled, rejectsPath } from './import-job.js';
import {
  type Counts,
  IMPORT_JOB_PREFIX,
  type JobState,
  loadJob,
  type RowOutcome,
  rowResults,
  type RowResult,
} from './job-stream.js';
import { fileNameMatches, type Mapping } from './mapping.js';
import { mappingOf } from './mappings.js';
import type { SourceFile } from './source-file.js';

/** Namespace of import ids. */
const IMPORTS = '3b0f7a52-6c1e-5d0b-9a47-1d2c8e5f4a60';
/** Uploaded files and rejects hold personal data that no erasure reaches: they do not stay. */
const KEPT_MS = 30 * 86_400_000;
const MAX_FILES = 16;
/** Folded job streams kept in memory; a read folds only what is new. */
const STATES_KEPT = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface ImportRequest {
  /** Name of a shipped mapping, or a document. */
  readonly mapping: unknown;
  readonly files: readonly GivenFile[];
}
export interface GivenFile {
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export type ImportStatus = 'awaiting_files' | 'ready' | 'queued' | 'running' | 'interrupted' | 'failed' | 'finished';

/** What is known of an import. */
export interface ImportCard {
  readonly id: string;
  /** Name of its mapping. */
  readonly mapping: string;
  readonly status: ImportStatus;
  /** Of the latest run: leads that it accepted, skipped (there already), refused. */
  readonly counts: Counts;
  /** Over all runs. */
  readonly totals: Counts;
  /** Data rows of the primary file, and how many of them the latest run is through with. */
  readonly rows: number;
  readonly rowsDone: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly uploaded: boolean }[];
  /** Why it failed. */
  readonly error: string | null;
}

const jobFile = z.object({
  id: z.string(),
  mapping: z.unknown(),
  mappingName: z.string(),
  fileHash: z.string(),
  files: z.array(z.object({ name: z.string(), file: z.string(), sha256: z.string(), bytes: z.int() })),
  /** Which of them are here, by the mapping's name for them. */
  uploaded: z.array(z.string()),
  actor: z.object({ type: z.enum(['user', 'system', 'integration']), id: z.string(), role: z.string() }),
  /** True from start until the run is through: then a restart goes on with it. */
  wanted: z.boolean(),
  counts: z.object({ accepted: z.int(), skipped: z.int(), rejected: z.int() }).nullable(),
  error: z.string().nullable(),
});
type JobFile = z.infer<typeof jobFile>;

export interface ImportsSettings {
  readonly log: EventLog;
  readonly writer: HistoryWriter;
  readonly nowMs: () => number;
  /** Where uploaded files wait: `DATA_DIR/imports`. */
  readonly directory: string;
  /** Told what went wrong in a run; the import's card says it too. */
  readonly onFailure?: (importId: string, error: unknown) => void;
}

/**
 * The imports of this ledger. What was imported is in the log (`importjob-` streams); uploaded files wait under `directory`
 * until they are through. Imports run one after the other. Errors: ImportError, EventLogError.
 */
export class Imports {
  /** Wanted and not yet through, in order; the first one runs. */
  readonly #queue: string[] = [];
  #running: { readonly id: string; readonly job: ImportJob } | null = null;
  #worker: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  readonly #through = new Map<string, (() => void)[]>();
  /** Ids found in the log so far, oldest first, and where to look on. */
  readonly #known = new Set<string>();
  #scannedTo: string | undefined;
  readonly #states = new LruMap<string, JobState>(STATES_KEPT);

  constructor(private readonly settings: ImportsSettings) {}

  /** Goes on with what a crash or a stop interrupted, and clears away what was kept long enough. */
  async resume(): Promise<void> {
    for (const id of await this.#directories()) {
      const job = await this.#read(id);
      if (job?.wanted === true) this.#enqueue(id);
      else await this.#clearAway(id);
    }
  }

  /** Stops between two batches; the import goes on at the next start. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#worker;
  }

  /** The same mapping and files again are the same import: its card says what is still to be done. */
  async create(request: ImportRequest, actor: ImportActor): Promise<ImportCard> {
    const mapping = mappingOf(request.mapping);
    const files = matchFiles(mapping, request.files);
    const fileHash = hashOf(files.map(({ file, sha256 }) => `${file}:${sha256}`).sort());
    const id = derivedId(`${mapping.digest}/${fileHash}`, IMPORTS);
    if ((await this.#read(id)) === null) {
      const job: JobFile = {
        id,
        // The document itself: a name may mean another one in the next version.
        mapping: mapping.document,
        mappingName: mapping.name,
        fileHash,
        files,
        uploaded: [],
        actor,
        wanted: false,
        counts: null,
        error: null,
      };
      await mkdir(join(this.#path(id), 'files'), { recursive: true, mode: 0o700 });
      await this.#write(job);
    }
    return this.card(id);
  }

  /** Takes a file in. What does not have the announced hash is not kept. */
  async upload(id: string, name: string, content: AsyncIterable<Uint8Array>): Promise<ImportCard> {
    const job = await this.#existing(id);
    const file = job.files.find((given) => given.name === name);
    if (file === undefined)
      throw new ImportError('FILE_INVALID', `the import has no file ${JSON.stringify(name)}`, 'name');
    if (!job.uploaded.includes(file.file)) {
      await mkdir(join(this.#path(id), 'files'), { recursive: true, mode: 0o700 });
      const draft = `${this.#filePath(id, file.file)}.${randomUUID()}`;
      try {
        const { sha256 } = await store(content, draft, file.bytes);
        if (sha256 !== file.sha256)
          throw new ImportError('FILE_INVALID', `${name}: the content's sha256 is ${sha256}, announced was ${file.sha256}`, 'sha256'); // prettier-ignore
        await this.#keep(id, file.file, draft);
      } finally {
        await rm(draft, { force: true });
      }
    }
    return this.card(id);
  }

  /** Creates the import of one file whose content comes now, and starts it. */
  async take(
    mapping: unknown,
    name: string,
    content: AsyncIterable<Uint8Array>,
    actor: ImportActor,
  ): Promise<ImportCard> {
    mappingOf(mapping);
    await mkdir(this.settings.directory, { recursive: true, mode: 0o700 });
    const draft = join(this.settings.directory, `${randomUUID()}.upload`);
    try {
      const { sha256, bytes } = await store(content, draft, Number.MAX_SAFE_INTEGER);
      const { id } = await this.create({ mapping, files: [{ name, sha256, bytes }] }, actor);
      const { files, uploaded } = await this.#existing(id);
      const { file } = files[0]!;
      if (!uploaded.includes(file)) await this.#keep(id, file, draft);
      return await this.start(id);
    } finally {
      await rm(draft, { force: true });
    }
  }

  /** As `take`, for small files whose contents are at hand. */
  async takeAll(
    mapping: unknown,
    contents: readonly { readonly name: string; readonly content: string }[],
    actor: ImportActor,
  ): Promise<ImportCard> {
    const given = contents.map(({ name, content }) => {
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { name, sha256, bytes: Buffer.byteLength(content) };
    });
    const { id } = await this.create({ mapping, files: given }, actor);
    for (const { name, content } of contents) await this.upload(id, name, Readable.from([Buffer.from(content)]));
    return this.start(id);
  }

  /** Begins, or goes on; answers at once. A finished import without refused rows answers what it found, as skipped. */
  async start(id: string): Promise<ImportCard> {
    const job = await this.#existing(id);
    if (!job.wanted) {
      const state = await this.#loadState(id);
      if (state !== null && isSettled(state)) await this.#write({ ...job, counts: asSkipped(state), error: null });
      else {
        const missing = job.files.find(({ file }) => !job.uploaded.includes(file));
        if (missing !== undefined)
          throw new ImportError('FILE_MISSING', `${missing.name} has not been uploaded`, 'files');
        await this.#write({ ...job, wanted: true, error: null });
        this.#enqueue(id);
      }
    } else if (!this.#queue.includes(id)) this.#enqueue(id);
    return this.card(id);
  }

  /** Resolves when the import is not (any more) under way, at the latest after `ms`. */
  async settled(id: string, ms: number): Promise<ImportCard> {
    if (this.#queue.includes(id)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#through.set(id, [...(this.#through.get(id) ?? []), done]);
      });
    }
    return this.card(id);
  }

  /** @throws ImportError IMPORT_UNKNOWN */
  async card(id: string): Promise<ImportCard> {
    const [job, state] = await Promise.all([this.#read(id), this.#loadState(id)]);
    if (job === null && state === null) throw unknown(id);
    const running = this.#running?.id === id ? this.#running.job.progress : null;
    const totals = state?.counts ?? NOTHING;
    return {
      id,
      mapping: job?.mappingName ?? state!.source,
      status: this.#statusOf(id, job, state),
      counts: running?.counts ?? job?.counts ?? totals,
      totals,
      rows: running?.rows ?? state?.rows ?? 0,
      rowsDone: running?.rowsDone ?? (state?.finishedAt == null ? 0 : state.rows),
      startedAt: state?.startedAt ?? null,
      finishedAt: running === null ? (state?.finishedAt ?? null) : null,
      files: job?.files.map(({ name, bytes, file }) => ({ name, bytes, uploaded: job.uploaded.includes(file) })) ?? [],
      error: job?.error ?? null,
    };
  }

  /** Newest first, by their first start. */
  async list(): Promise<ImportCard[]> {
    await this.#scanLog();
    const waiting = (await this.#directories()).filter((id) => !this.#known.has(id));
    const ids = [...this.#known, ...waiting].reverse();
    return Promise.all(ids.map((id) => this.card(id)));
  }

  /** @throws ImportError IMPORT_UNKNOWN */
  async rows(
    id: string,
    ask: { readonly outcome?: RowOutcome | undefined; readonly from: number; readonly limit: number },
  ): Promise<{ readonly rows: readonly RowResult[]; readonly next: number | null }> {
    const state = await this.#loadState(id);
    if (state !== null) return rowResults(this.settings.log, id, state, ask);
    await this.#existing(id);
    return { rows: [], next: null };
  }

  /** Path of the NDJSON file of the latest whole run; null when there is none (any more). */
  async rejects(id: string): Promise<string | null> {
    const path = rejectsPath(this.#path(id));
    try {
      await stat(path);
      return path;
    } catch {
      await this.card(id);
      return null;
    }
  }

  #statusOf(id: string, job: JobFile | null, state: JobState | null): ImportStatus {
    if (this.#running?.id === id) return 'running';
    if (this.#queue.includes(id)) return 'queued';
    if (job !== null && job.error !== null) return 'failed';
    if (state !== null && state.finishedAt !== null) return 'finished';
    if (job?.wanted === true || state !== null) return 'interrupted';
    return job!.files.length === job!.uploaded.length ? 'ready' : 'awaiting_files';
  }

  #enqueue(id: string): void {
    this.#queue.push(id);
    if (this.#queue.length === 1) this.#worker = this.#work();
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0 && !this.#stop.signal.aborted) {
      const id = this.#queue[0]!;
      try {
        await this.#run(id);
      } catch (error) {
        this.settings.onFailure?.(id, error);
        const job = await this.#read(id).catch(() => null);
        const why = error instanceof ImportError ? error.message : 'the server failed; its log says why';
        if (job !== null) await this.#write({ ...job, wanted: false, error: why }).catch(() => undefined);
      } finally {
        this.#running = null;
        this.#queue.shift();
        for (const done of this.#through.get(id) ?? []) done();
        this.#through.delete(id);
      }
    }
  }

  async #run(id: string): Promise<void> {
    const stored = await this.#existing(id);
    const { log, writer, nowMs } = this.settings;
    const mapping = mappingOf(stored.mapping);
    const job = new ImportJob({
      log,
      writer,
      nowMs,
      importId: id,
      mapping,
      files: stored.files.map((file) => this.#sourceFile(id, mapping, file)),
      fileHash: stored.fileHash,
      directory: this.#path(id),
      actor: stored.actor,
      signal: this.#stop.signal,
    });
    this.#running = { id, job };
    const counts = await job.run();
    if (counts === null) return;
    const settled = counts.rejected === 0;
    await this.#write({
      ...stored,
      wanted: false,
      counts,
      error: null,
      uploaded: settled ? [] : stored.uploaded,
    });
    // Nothing will be read from them again; refused rows are tried again from the files.
    if (settled) await rm(join(this.#path(id), 'files'), { recursive: true, force: true });
  }

  #sourceFile(id: string, mapping: Mapping, { name, file, bytes }: JobFile['files'][number]): SourceFile {
    const spec = mapping.files.get(file)!;
    const requiredColumns = mapping.requiredColumns.get(file)!;
    return { file, name, path: this.#filePath(id, file), bytes, spec, requiredColumns };
  }

  async #scanLog(): Promise<void> {
    const head = await this.settings.log.head();
    const filter = { streamPrefixes: [IMPORT_JOB_PREFIX], eventTypes: ['ImportStarted'] };
    for (let after = this.#scannedTo; ;) {
      const page = await this.settings.log.readAll({ ...(after !== undefined && { after }), filter, limit: 1000 });
      for (const { stream } of page.events) this.#known.add(stream.slice(IMPORT_JOB_PREFIX.length));
      if (page.next === null) break;
      after = page.next;
    }
    this.#scannedTo = head ?? undefined;
  }

  #path(id: string): string {
    if (!UUID.test(id)) throw unknown(id);
    return join(this.settings.directory, id);
  }

  /** The mapping's name for the file, never the sender's. */
  #filePath(id: string, file: string): string {
    return join(this.#path(id), 'files', file);
  }

  async #directories(): Promise<string[]> {
    try {
      const entries = await readdir(this.settings.directory, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory() && UUID.test(entry.name)).map(({ name }) => name);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async #existing(id: string): Promise<JobFile> {
    const job = await this.#read(id);
    if (job === null) throw unknown(id);
    return job;
  }

  async #read(id: string): Promise<JobFile | null> {
    try {
      return jobFile.parse(JSON.parse(await readFile(join(this.#path(id), 'job.json'), 'utf8')));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async #keep(id: string, file: string, draft: string): Promise<void> {
    await mkdir(join(this.#path(id), 'files'), { recursive: true, mode: 0o700 });
    await rename(draft, this.#filePath(id, file));
    const job = await this.#existing(id);
    await this.#write({ ...job, uploaded: [...new Set([...job.uploaded, file])] });
  }

  /** A crash leaves the old one or the new one. */
  async #write(job: JobFile): Promise<void> {
    const path = join(this.#path(job.id), 'job.json');
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, JSON.stringify(job), { mode: 0o600 });
    const file = await open(draft, 'r+');
    await file.sync();
    await file.close();
    await rename(draft, path);
  }

  async #clearAway(id: string): Promise<void> {
    const { mtimeMs } = await stat(this.#path(id));
    if (mtimeMs < this.settings.nowMs() - KEPT_MS) await rm(this.#path(id), { recursive: true, force: true });
  }

  async #loadState(id: string): Promise<JobState | null> {
    const state = await loadJob(this.settings.log, id, this.#states.get(id));
    if (state !== null) this.#states.set(id, state);
    return state;
  }
}

const NOTHING: Counts = { accepted: 0, skipped: 0, rejected: 0 };
const unknown = (id: string): ImportError => new ImportError('IMPORT_UNKNOWN', `there is no import ${id}`);
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
const hashOf = (parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex');

/** Which given file is which file of the mapping. */
function matchFiles(mapping: Mapping, given: readonly GivenFile[]): (GivenFile & { readonly file: string })[] {
  if (given.length > MAX_FILES) throw new ImportError('IMPORT_INVALID', `at most ${MAX_FILES} files`, 'files');
  const found = given.map(({ name, sha256, bytes }, n) => {
    const matches = [...mapping.files].filter(([, { match }]) => fileNameMatches(match, name)).map(([file]) => file);
    if (matches.length === 1) return { name, sha256, bytes, file: matches[0]! };
    const why = matches.length === 0 ? 'none of its files is called like that' : `it could be ${matches.join(' or ')}`;
    throw new ImportError('FILE_INVALID', `mapping ${mapping.name} cannot use ${JSON.stringify(name)}: ${why}`, `files.${n}.name`); // prettier-ignore
  });
  for (const [file, { optional, match }] of mapping.files) {
    const count = found.filter((it) => it.file === file).length;
    if (count > 1) throw new ImportError('FILE_INVALID', `${count} files are ${JSON.stringify(file)} of mapping ${mapping.name}`, 'files'); // prettier-ignore
    if (count === 0 && !optional)
      throw new ImportError('FILE_MISSING', `mapping ${mapping.name} needs a file called ${match}`, 'files');
  }
  return found;
}

async function store(
  content: AsyncIterable<Uint8Array>,
  path: string,
  maxBytes: number,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      if (bytes > maxBytes)
        done(new ImportError('FILE_INVALID', `longer than the ${maxBytes} bytes announced`, 'bytes'));
      else done(null, chunk);
    },
  });
  await pipeline(content, measure, createWriteStream(path, { mode: 0o600, flush: true }));
  return { sha256: hash.digest('hex'), bytes };
}
