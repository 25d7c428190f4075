import { readFile } from 'node:fs/promises';
import { LedgerHttp } from './ledger-http.js';
import { progress } from './output.js';

/** A what-if run as the ledger tells it; `result` when it is done. */
export interface ToldRun<Result> {
  readonly id: string;
  readonly status: 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';
  readonly progress: number;
  readonly datasetPosition: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
  readonly result: Result | null;
}

const WAIT_S = 1;
const PERCENT = 100;

/** Begins a run and follows it to its end; Ctrl-C cancels it. @throws Error, LedgerAnswerError: it did not come to a result */
export async function runWhatIf<Result>(
  ledger: LedgerHttp,
  { body, json, label, path }: { readonly path: string; readonly body: unknown; readonly label: string; readonly json: boolean | undefined }, // prettier-ignore
): Promise<ToldRun<Result> & { readonly result: Result }> {
  let run = await ledger.json<ToldRun<Result>>('POST', `${path}?wait=${WAIT_S}`, { json: body });
  const bar = await progress(label, json);
  const cancel = () => void ledger.json('DELETE', `${path}/${run.id}`).catch(() => undefined);
  process.once('SIGINT', cancel);
  try {
    while (run.status === 'queued' || run.status === 'running') {
      bar.update(Math.floor(run.progress * PERCENT), PERCENT);
      run = await ledger.json<ToldRun<Result>>('GET', `${path}/${run.id}?wait=${WAIT_S}`);
    }
  } finally {
    process.removeListener('SIGINT', cancel);
    bar.stop();
  }
  const { error, result, status } = run;
  if (result !== null) return { ...run, result };
  throw new Error(error === null ? `the run was ${status}` : `${error.code}: ${error.detail}`);
}

/** `active`, `<id>@<version>` of one in the ledger, or the JSON file of a document. */
export async function modelOf(given: string): Promise<unknown> {
  if (given === 'active') return given;
  const [, modelId, version] = /^([A-Za-z0-9][\w.+:-]*)@([1-9]\d*)$/.exec(given) ?? [];
  if (modelId !== undefined) return { modelId, version: Number(version) };
  let text: string;
  try {
    text = await readFile(given, 'utf8');
  } catch {
    throw new Error(`--model ${given}: neither a file, nor active, nor <id>@<version>`);
  }
  try {
    return { document: JSON.parse(text) as unknown };
  } catch (error) {
    throw new Error(`--model ${given}: not JSON (${(error as Error).message})`, { cause: error });
  }
}

/** Repeated options, in order. */
export const collected = (value: string, before: readonly string[] = []): string[] => [...before, value];
