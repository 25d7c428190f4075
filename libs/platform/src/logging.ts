import type { LoggerService } from '@nestjs/common';
import { destination, pino, type Logger } from 'pino';
import type { LogLevel } from './settings.js';

export type { Logger } from 'pino';

/** What a part needs of the logger that is no more than told what happens. */
export interface PlainLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** JSON lines on stderr: stdout belongs to what a command answers. */
export function makeLogger(level: LogLevel, role: string): Logger {
  return pino({ level, base: { role }, messageKey: 'message' }, destination({ fd: 2, sync: false }));
}

/** Contexts in which Nest tells at start what every developer knows: one line per route and module. */
const CHATTER = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);

/** Nest's own log calls, written by pino. */
export class PinoLoggerService implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    this.#write(context !== undefined && CHATTER.has(context) ? 'debug' : 'info', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.#write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  #write(level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace', message: unknown, rest: unknown[]): void {
    const fields: Record<string, unknown> = { context: contextOf(rest) };
    const stack = rest.length > 1 ? rest[0] : undefined;
    if (message instanceof Error) fields.err = message;
    else if (typeof stack === 'string') fields.stack = stack;
    this.logger[level](fields, message instanceof Error ? message.message : String(message));
  }
}

/** Nest passes the context as the last argument. */
function contextOf(rest: readonly unknown[]): string | undefined {
  const last = rest.at(-1);
  return typeof last === 'string' ? last : undefined;
}
