import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ImportCard } from '#libs/import/src/imports.js';
import { LedgerAnswerError, LedgerHttp } from './ledger-http.js';
import { print, progress, type Progress } from './output.js';
import type { Verb } from './verb.js';

const REJECTED = 3;
const POLL_MS = 300;
/** A ledger that is restarted goes on with the import by itself; so long its answer is waited for. */
const LOST_MS = 30_000;

interface Options {
  readonly map: string;
  readonly rejects?: string;
  readonly json?: boolean;
}
interface LocalFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export const importVerb: Verb = (program) => {
  program
    .command('import')
    .description('import history from CSV or NDJSON files, or a folder of them; the same again adds nothing')
    .argument('<files...>', 'files or folders; docs/import.md describes them')
    .requiredOption('--map <name|file>', 'a shipped mapping (generic, olist) or the JSON file of one')
    .option('--rejects <file>', 'where refused rows are written as NDJSON (default rejects-<import>.ndjson)')
    .option('--json', 'print one JSON document')
    .action(async (paths: string[], options: Options, command: Command) => {
      const ledger = await LedgerHttp.open();
      const { mapping, matches } = await readMapping(options.map, command);
      const files = await Promise.all((await filesOf(paths, matches, command)).map(measure));
      const begun = performance.now();
      const card = await run(ledger, mapping, files, options);
      const seconds = (performance.now() - begun) / 1000;
      if (card.status === 'failed') throw new Error(`the import failed: ${card.error}`);
      const rejects = card.counts.rejected === 0 ? null : await fetchRejects(ledger, card.id, options.rejects);
      if (card.counts.rejected > 0) process.exitCode = REJECTED;
      print(options.json, { ...card, rejects }, () => [
        `${card.counts.accepted} ${card.counts.accepted === 1 ? 'lead' : 'leads'} imported, ${card.counts.skipped} skipped (there already), ${card.counts.rejected} rejected in ${seconds.toFixed(1)} s`,
        ...(rejects === null ? [] : [`rejected rows: ${rejects}`]),
        `import ${card.id}`,
      ]);
    });
};

/** The name as it is when it is a shipped one, else the document; and which file names the mapping would take. */
async function readMapping(
  nameOrFile: string,
  command: Command,
): Promise<{ readonly mapping: unknown; readonly matches: (name: string) => boolean }> {
  const { mappingOf, shippedMappings } = await import('#libs/import/src/mappings.js');
  const { fileNameMatches } = await import('#libs/import/src/mapping.js');
  let mapping: unknown = nameOrFile;
  if (!shippedMappings().includes(nameOrFile)) {
    const text = await readFile(nameOrFile, 'utf8').catch(() =>
      command.error(`error: --map ${nameOrFile}: neither a file nor one of ${shippedMappings().join(', ')}`),
    );
    try {
      mapping = JSON.parse(text);
    } catch (error) {
      throw new Error(`${nameOrFile}: not JSON (${(error as Error).message})`, { cause: error });
    }
  }
  const patterns = [...compiled().files.values()].map(({ match }) => match);
  return { mapping, matches: (name) => patterns.some((pattern) => fileNameMatches(pattern, name)) };

  function compiled() {
    try {
      return mappingOf(mapping);
    } catch (error) {
      throw new Error(`--map ${nameOrFile}: ${(error as Error).message}`, { cause: error });
    }
  }
}

async function filesOf(
  paths: readonly string[],
  matches: (name: string) => boolean,
  command: Command,
): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => command.error(`error: ${path}: no such file or folder`));
    if (!found.isDirectory()) files.push(path);
    else {
      const names = (await readdir(path)).filter((name) => /\.(csv|ndjson|jsonl)$/i.test(name) && matches(name)).sort();
      if (names.length === 0)
        throw new Error(`${path}: no .csv, .ndjson or .jsonl file in it has a name that the mapping takes`);
      files.push(...names.map((name) => join(path, name)));
    }
  }
  return files;
}

async function measure(path: string): Promise<LocalFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { path, name: basename(path), bytes, sha256: hash.digest('hex') };
}

async function run(
  ledger: LedgerHttp,
  mapping: unknown,
  files: readonly LocalFile[],
  { json }: Options,
): Promise<ImportCard> {
  const announced = files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  let card = await ledger.json<ImportCard>('POST', '/v1/imports', { json: { mapping, files: announced } });
  const isSettled = card.status === 'finished' && card.totals.rejected === 0;
  if (!isSettled) for (const file of card.files) if (!file.uploaded) await upload(ledger, card.id, files.find(({ name }) => name === file.name)!, json); // prettier-ignore
  card = await ledger.json<ImportCard>('POST', `/v1/imports/${card.id}/start`);
  const bar = await progress('importing', json);
  try {
    return await followed(ledger, card, bar);
  } finally {
    bar.stop();
  }
}

async function upload(ledger: LedgerHttp, id: string, file: LocalFile, json: boolean | undefined): Promise<void> {
  const bar = await progress(`uploading ${file.name}`, json);
  let sent = 0;
  const body = Readable.from(
    (async function* () {
      for await (const chunk of createReadStream(file.path) as AsyncIterable<Buffer>) {
        yield chunk;
        bar.update((sent += chunk.length), file.bytes);
      }
    })(),
    { objectMode: false },
  );
  const type = /\.csv$/i.test(file.name) ? 'text/csv' : 'application/x-ndjson';
  try {
    const path = `/v1/imports/${id}/files/${encodeURIComponent(file.name)}`;
    await ledger.json('PUT', path, { stream: { type, body: Readable.toWeb(body) as ReadableStream } });
  } finally {
    bar.stop();
  }
}

async function followed(ledger: LedgerHttp, started: ImportCard, bar: Progress): Promise<ImportCard> {
  let card = started;
  let lostAt: number | null = null;
  while (card.status === 'queued' || card.status === 'running' || card.status === 'interrupted') {
    bar.update(card.rowsDone, card.rows);
    await sleep(POLL_MS);
    try {
      card = await ledger.json<ImportCard>('GET', `/v1/imports/${card.id}`);
      lostAt = null;
    } catch (error) {
      if (!(error instanceof LedgerAnswerError) || (error.status !== 0 && error.status !== 503)) throw error;
      lostAt ??= performance.now();
      if (performance.now() - lostAt > LOST_MS)
        throw new Error(`${error.message}\nthe same command goes on where the import stopped`, { cause: error });
    }
  }
  bar.update(card.rowsDone, card.rows);
  return card;
}

/** Path of the file written. */
async function fetchRejects(ledger: LedgerHttp, id: string, to: string | undefined): Promise<string> {
  const path = resolve(to ?? `rejects-${id}.ndjson`);
  const response = await ledger.answer('GET', `/v1/imports/${id}/rejects`);
  await writeFile(path, Readable.fromWeb(response.body as never), { mode: 0o600 });
  return path;
}
