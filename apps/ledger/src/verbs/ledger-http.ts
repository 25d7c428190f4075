import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ADMIN_KEY_FILE } from '#libs/platform/src/data-dir.js';
import { environmentWithDotEnv, parseSettings } from '#libs/platform/src/settings.js';

/** The ledger did not answer, or refused: `message` is what the user is to read. */
export class LedgerAnswerError extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** Code of the problem, when the answer was one. */
    readonly code?: string,
  ) {
    super(message);
    this.name = 'LedgerAnswerError';
  }
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly fields?: readonly { readonly field: string; readonly rule: string }[];
}

export interface Sent {
  readonly json?: unknown;
  readonly stream?: { readonly type: string; readonly body: ReadableStream };
  readonly signal?: AbortSignal;
}

/** The ledger as its verbs talk to it: `LEDGER_URL` with `LEDGER_API_KEY`, by default this machine's with the admin key. */
export class LedgerHttp {
  constructor(
    readonly url: string,
    private readonly key: string,
    readonly dataDir: string,
  ) {}

  /** Reads the settings of the working directory. A wrong one is thrown as SettingsError. */
  static async open(): Promise<LedgerHttp> {
    const environment = environmentWithDotEnv();
    const settings = parseSettings(environment);
    const url = (environment.LEDGER_URL || `http://127.0.0.1:${settings.port}`).replace(/\/+$/, '');
    if (!URL.canParse(url)) throw new LedgerAnswerError(`LEDGER_URL: not a URL: ${url}`, 0);
    const key = environment.LEDGER_API_KEY || settings.adminKey || (await keptAdminKey(settings.dataDir));
    return new LedgerHttp(url, key ?? '', settings.dataDir);
  }

  /** Body of a JSON answer. @throws LedgerAnswerError */
  async json<T>(method: string, path: string, sent: Sent = {}): Promise<T> {
    const response = await this.answer(method, path, sent);
    return (await response.json()) as T;
  }

  /** @throws LedgerAnswerError for everything but a success */
  async answer(method: string, path: string, { json, stream, signal }: Sent = {}): Promise<Response> {
    const type = stream?.type ?? (json === undefined ? undefined : 'application/json');
    const init = {
      method,
      headers: { authorization: `Bearer ${this.key || 'none'}`, ...(type !== undefined && { 'content-type': type }) },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(stream !== undefined && { body: stream.body, duplex: 'half' as const }),
      ...(signal !== undefined && { signal }),
    };
    let response: Response;
    try {
      response = await fetch(this.url + path, init);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const { cause } = error as { cause?: { code?: string; message?: string } };
      const why = cause?.code ?? cause?.message ?? String(error);
      throw new LedgerAnswerError(
        `no ledger answers at ${this.url} (${why}); \`npm start\` starts one, LEDGER_URL names another`,
        0,
      );
    }
    if (response.ok) return response;
    throw await this.#refusal(response);
  }

  async #refusal(response: Response): Promise<LedgerAnswerError> {
    const text = await response.text();
    const { status } = response;
    try {
      const { code, detail, fields = [] } = JSON.parse(text) as Problem;
      const hint =
        status === 401 && this.key === ''
          ? `; set LEDGER_API_KEY, or run where ${join(this.dataDir, ADMIN_KEY_FILE)} is`
          : '';
      const more = fields
        .filter(({ rule }) => !detail.includes(rule))
        .map(({ field, rule }) => `\n  ${field}: ${rule}`);
      return new LedgerAnswerError(`${code}: ${detail}${hint}${more.join('')}`, status, code);
    } catch {
      return new LedgerAnswerError(`${this.url} answered ${status}`, status);
    }
  }
}

async function keptAdminKey(dataDir: string): Promise<string | null> {
  try {
    return (await readFile(join(dataDir, ADMIN_KEY_FILE), 'utf8')).trim();
  } catch {
    return null;
  }
}

/** `?a=1&b=2` of what is set; empty when nothing is. */
export function queryString(values: Readonly<Record<string, string | number | undefined>>): string {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) set.set(name, String(value));
  return set.size === 0 ? '' : `?${set.toString()}`;
}
