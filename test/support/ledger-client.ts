import { randomUUID } from 'node:crypto';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it expects to be there
  readonly body: any;
}

export interface Call {
  readonly key?: string | null;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A stranger's client: fetch, a key, JSON. */
export class LedgerClient {
  constructor(
    readonly url: string,
    readonly key: string,
  ) {}

  as(key: string): LedgerClient {
    return new LedgerClient(this.url, key);
  }

  async call(method: string, path: string, { key = this.key, body, raw, headers = {} }: Call = {}): Promise<Answer> {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const text = await response.text();
    const json =
      response.headers.get('content-type')?.includes('json') === true &&
      !response.headers.get('content-type')!.includes('ndjson');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  /** A command; the id makes it repeatable. */
  command(path: string, body: unknown = {}, commandId: string = randomUUID(), headers: Record<string, string> = {}) {
    return this.call('POST', path, { body, headers: { 'idempotency-key': commandId, ...headers } });
  }
}
