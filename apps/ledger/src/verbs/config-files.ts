import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { documentDiff } from '#libs/policy/src/document-diff.js';
import { type ConfigDocument, DOCUMENT_KINDS, documentKinds } from '#libs/policy/src/document-kinds.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import { LedgerAnswerError, type LedgerHttp } from './ledger-http.js';

/** Configuration as files for a repository of one's own: `<kind>/<id>.json` holds `{id, version, document}`. */

/** What is referred to comes before what refers to it. */
const KINDS = [
  'calendars',
  'icps',
  'personas',
  'scoring-models',
  'agreements',
  'teams',
  'pipelines',
  'targets',
  'benchmarks',
] as const;
type Kind = (typeof KINDS)[number];

interface Version {
  readonly version: number;
  readonly status: 'draft' | 'in_force' | 'scheduled' | 'superseded' | 'retired';
  readonly document: ConfigDocument;
}
interface History {
  readonly id: string;
  readonly versionInForce: number | null;
  readonly versions: readonly Version[];
}
interface Acted {
  readonly version: number;
  readonly events: readonly unknown[];
}

export interface Exported {
  readonly files: readonly string[];
  /** In the folder, but not in force in the ledger. */
  readonly others: readonly string[];
}

export interface Imported {
  /** `<kind>/<id> version <n>` each. */
  readonly drafted: readonly string[];
  readonly activated: readonly string[];
  readonly unchanged: readonly string[];
  readonly refused: readonly { readonly file: string; readonly reason: string }[];
}

/** Writes every document in force. @throws LedgerAnswerError */
export async function exportConfig(ledger: LedgerHttp, folder: string): Promise<Exported> {
  const files: string[] = [];
  const others: string[] = [];
  for (const kind of KINDS) {
    const { items } = await ledger.json<{ items: { id: string }[] }>('GET', `/v1/config/${kind}`);
    await mkdir(join(folder, kind), { recursive: true });
    const written = new Set<string>();
    for (const { id } of items) {
      const version = inForce((await historyOf(ledger, kind, id))!);
      if (version === undefined) continue;
      const name = fileOf(id);
      const content = { id, version: version.version, document: version.document };
      await writeFile(join(folder, kind, name), `${JSON.stringify(content, null, 2)}\n`);
      written.add(name);
    }
    files.push(...[...written].map((name) => `${kind}/${name}`));
    others.push(...(await filesOf(folder, kind)).filter((name) => !written.has(name)).map((name) => `${kind}/${name}`));
  }
  return { files, others };
}

/**
 * Drafts what differs from what is in force and was not drafted yet; with `activate` approves it for both parties, as far as the
 * caller may, and puts it in force. Nothing is retired. Files that are refused do not stop the others.
 * @throws LedgerAnswerError when the ledger does not answer
 */
export async function importConfig(ledger: LedgerHttp, folder: string, activate: boolean): Promise<Imported> {
  const result = {
    drafted: [] as string[],
    activated: [] as string[],
    unchanged: [] as string[],
    refused: [] as { file: string; reason: string }[],
  };
  for (const kind of KINDS) {
    for (const name of await filesOf(folder, kind)) {
      const file = `${kind}/${name}`;
      try {
        await importFile(ledger, kind, await contentOf(join(folder, file)), activate, result);
      } catch (error) {
        if (error instanceof LedgerAnswerError && (error.status === 0 || error.status >= 500 || error.status === 401))
          throw error;
        result.refused.push({ file, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }
  return result;
}

async function importFile(
  ledger: LedgerHttp,
  kind: Kind,
  { document, id }: { readonly id: string; readonly document: ConfigDocument },
  activate: boolean,
  result: { readonly drafted: string[]; readonly activated: string[]; readonly unchanged: string[] },
): Promise<void> {
  const history = await historyOf(ledger, kind, id);
  const complete = withDefaults(kind, document);
  if (history !== null && documentDiff(inForce(history)?.document, complete).length === 0) {
    result.unchanged.push(`${kind}/${id}`);
    return;
  }
  const latest = history?.versions.at(-1);
  const isDrafted =
    latest !== undefined &&
    (latest.status === 'draft' || latest.status === 'scheduled') &&
    documentDiff(latest.document, complete).length === 0;
  let version = latest?.version ?? 0;
  if (!isDrafted) {
    const reason = kind === 'targets' && history !== null ? { reason: 'imported from a file' } : {};
    const json = { ...(kind === 'targets' || kind === 'benchmarks' ? {} : { id }), ...reason, document };
    const acted = await ledger.json<Acted>('POST', `/v1/config/${kind}`, { json });
    ({ version } = acted);
    (acted.events.length === 0 ? result.unchanged : result.drafted).push(`${kind}/${id} version ${version}`);
  }
  const isDocument = DOCUMENT_KINDS.some((one) => one === kind);
  if (!activate || !isDocument || latest?.status === 'scheduled') {
    if (isDrafted) result.unchanged.push(`${kind}/${id}`);
    return;
  }
  const path = `/v1/config/${kind}/${encodeURIComponent(id)}/versions/${version}`;
  for (const party of ['marketing', 'sales'])
    await ledger.json('POST', `${path}/approve`, { json: { party } }).catch(unlessForbidden);
  await ledger.json('POST', `${path}/activate`, { json: {} });
  result.activated.push(`${kind}/${id} version ${version}`);
}

/** The other party approves for itself; whether it has, the activation asks. */
function unlessForbidden(error: unknown): void {
  if (error instanceof LedgerAnswerError && error.code === 'FORBIDDEN_ROLE') return;
  throw error;
}

async function historyOf(ledger: LedgerHttp, kind: Kind, id: string): Promise<History | null> {
  try {
    return await ledger.json<History>('GET', `/v1/config/${kind}/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error instanceof LedgerAnswerError && error.status === 404) return null;
    throw error;
  }
}

const inForce = ({ versionInForce, versions }: History): Version | undefined =>
  versions.find(({ version }) => version === versionInForce);

/** As the ledger would keep it. What it would refuse is sent as it is, so that the ledger says why. */
function withDefaults(kind: Kind, document: ConfigDocument): ConfigDocument {
  const known = DOCUMENT_KINDS.find((one) => one === kind);
  if (known === undefined) return document;
  const checkModel = (model: unknown): ConfigDocument => {
    const { id: _id, version: _version, ...rest } = checkScoringModel(model);
    return rest;
  };
  try {
    return documentKinds[known].read(document, { policies: new PolicyBook(), checkModel });
  } catch {
    return document;
  }
}

async function filesOf(folder: string, kind: Kind): Promise<string[]> {
  const names = await readdir(join(folder, kind)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith('.json')).sort();
}

/** Ids may hold characters that file names of some systems may not. */
const fileOf = (id: string): string => `${encodeURIComponent(id)}.json`;

async function contentOf(path: string): Promise<{ id: string; document: ConfigDocument }> {
  const content: unknown = JSON.parse(await readFile(path, 'utf8'));
  const { document, id } = (content ?? {}) as { readonly document?: unknown; readonly id?: unknown };
  if (typeof id === 'string' && document !== null && typeof document === 'object' && !Array.isArray(document))
    return { id, document: document as ConfigDocument };
  throw new Error('must be {"id": …, "document": {…}}');
}
