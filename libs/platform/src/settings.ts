import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';

/** What the environment (and `.env`) tells the ledger: contract.md "Settings". */
export interface Settings {
  readonly port: number;
  readonly host: string;
  /** Absolute. */
  readonly dataDir: string;
  /** `esdb://…`; null = the embedded log under `dataDir`. */
  readonly eventstoreUrl: string | null;
  /** Loopback port on which the embedded log speaks EventStoreDB's protocol; null = closed. */
  readonly embeddedGrpcPort: number | null;
  /** null = read models in memory with a snapshot under `dataDir`. */
  readonly redisUrl: string | null;
  readonly adminKey: string | null;
  /** 32 bytes; null = made at first start and kept under `dataDir`. */
  readonly masterKey: Buffer | null;
  readonly oidc: { readonly issuer: string; readonly audience: string } | null;
  readonly logLevel: LogLevel;
  readonly testClock: boolean;
  /** Settings that are understood and have no effect yet; said once at start. */
  readonly withoutEffect: readonly string[];
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A wrong, unknown or missing setting. The message names it and is all that the operator needs to read. */
export class SettingsError extends Error {
  constructor(
    readonly setting: string,
    complaint: string,
  ) {
    super(`${setting}: ${complaint}`);
    this.name = 'SettingsError';
  }
}

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port number from 0 to 65535')
  .transform(Number)
  .refine((n) => n <= 65535, 'must be a port number from 0 to 65535');
const urlOf = (...schemes: string[]) =>
  z.string().refine(
    (value) => schemes.some((scheme) => value.startsWith(`${scheme}://`) && value.length > scheme.length + 3),
    `must be a URL beginning with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  ); // prettier-ignore

/** Base64 (any alphabet, padding optional) or hex of exactly 32 bytes. */
function keyBytes(value: string): Buffer | null {
  if (/^[0-9a-fA-F]{64}$/.test(value)) return Buffer.from(value, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return null;
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === 32 ? bytes : null;
}

const schemas = {
  PORT: port.default(3000),
  HOST: z.string().default('127.0.0.1'),
  DATA_DIR: z.string().default('./data'),
  EVENTSTORE_URL: urlOf('esdb', 'esdb+discover', 'kurrentdb', 'kurrentdb+discover').optional(),
  EMBEDDED_GRPC_PORT: port.optional(),
  REDIS_URL: urlOf('redis', 'rediss').optional(),
  LEDGER_ADMIN_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, 'must be 16 to 256 visible ASCII characters')
    .optional(),
  LEDGER_MASTER_KEY: z
    .string()
    .refine((value) => keyBytes(value) !== null, 'must be 32 bytes in base64 or hex')
    .transform((value) => keyBytes(value) as Buffer)
    .optional(),
  OIDC_ISSUER: urlOf('https', 'http').optional(),
  OIDC_AUDIENCE: z.string().optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: urlOf('https', 'http').optional(),
  LEDGER_TEST_CLOCK: z.enum(['0', '1'], 'must be 1 or 0').default('0'),
};

/** Read by the CLI's verbs, not by the server; known here so that they are not refused. */
const CLI_SETTINGS = new Set(['LEDGER_URL', 'LEDGER_API_KEY']);
const OWN_PREFIX = /^(LEDGER|EMBEDDED|EVENTSTORE|REDIS|OIDC)_/;
/** Kubernetes and compose links announce neighbours as `<SERVICE>_PORT=tcp://…`, `<SERVICE>_SERVICE_HOST=…`. */
const SERVICE_LINK = /_(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP)(_[A-Z]+)?)$/;
const isServiceLink = (name: string, value: string): boolean =>
  SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value));

/** Pure: settings of an environment, or `SettingsError`. An empty value counts as unset. */
export function parseSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const given = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
  );
  for (const [name, value] of given) {
    if (!OWN_PREFIX.test(name) || Object.hasOwn(schemas, name) || CLI_SETTINGS.has(name)) continue;
    if (!isServiceLink(name, value)) throw new SettingsError(name, 'unknown setting');
  }
  const parsed = z.object(schemas).safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new SettingsError(String(issue.path[0]), issue.message);
  }
  const values = parsed.data;
  if (values.EVENTSTORE_URL !== undefined && values.LEDGER_MASTER_KEY === undefined)
    throw new SettingsError('LEDGER_MASTER_KEY', 'required with EVENTSTORE_URL (32 bytes in base64 or hex)');
  if (values.EVENTSTORE_URL !== undefined && values.EMBEDDED_GRPC_PORT !== undefined)
    throw new SettingsError('EMBEDDED_GRPC_PORT', 'serves the embedded log, which EVENTSTORE_URL replaces');
  if (values.OIDC_ISSUER !== undefined && values.OIDC_AUDIENCE === undefined)
    throw new SettingsError('OIDC_AUDIENCE', 'required with OIDC_ISSUER');
  if (values.OIDC_AUDIENCE !== undefined && values.OIDC_ISSUER === undefined)
    throw new SettingsError('OIDC_ISSUER', 'required with OIDC_AUDIENCE');
  if (values.LEDGER_TEST_CLOCK === '1' && environment.NODE_ENV === 'production')
    throw new SettingsError('LEDGER_TEST_CLOCK', 'refused when NODE_ENV=production');
  return {
    port: values.PORT,
    host: values.HOST,
    dataDir: resolve(values.DATA_DIR),
    eventstoreUrl: values.EVENTSTORE_URL ?? null,
    embeddedGrpcPort: values.EMBEDDED_GRPC_PORT ?? null,
    redisUrl: values.REDIS_URL ?? null,
    adminKey: values.LEDGER_ADMIN_KEY ?? null,
    masterKey: values.LEDGER_MASTER_KEY ?? null,
    oidc:
      values.OIDC_ISSUER === undefined || values.OIDC_AUDIENCE === undefined
        ? null
        : { issuer: values.OIDC_ISSUER, audience: values.OIDC_AUDIENCE },
    logLevel: values.LOG_LEVEL,
    testClock: values.LEDGER_TEST_CLOCK === '1',
    withoutEffect: values.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? [] : ['OTEL_EXPORTER_OTLP_ENDPOINT'],
  };
}

/** The process's environment over `.env` of the working directory (the environment wins). */
export function environmentWithDotEnv(directory = process.cwd()): Record<string, string | undefined> {
  let file: Record<string, string | undefined> = {};
  try {
    file = parseEnv(readFileSync(resolve(directory, '.env'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { ...file, ...process.env };
}

/** Roles apart share one log and one read store; without these two they could not meet. */
export function requireShared(settings: Settings): void {
  if (settings.eventstoreUrl === null)
    throw new SettingsError(
      'EVENTSTORE_URL',
      'required when the roles run apart (the embedded log serves one process)',
    );
  if (settings.redisUrl === null)
    throw new SettingsError('REDIS_URL', 'required when the roles run apart (read models in memory serve one process)');
  if (settings.testClock)
    throw new SettingsError('LEDGER_TEST_CLOCK', 'one clock drives one process: use `ledger start`');
}
