import { Catch, HttpException, NotFoundException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CommandError } from '#libs/event-log/src/handle-command.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { Logger } from './logging.js';
import { bodyTooLarge, MAX_BODY_BYTES } from './json-body.js';
import { Problem, problemBody, type ProblemBody, type ProblemExtras, type ProblemField } from './problem.js';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** A coded error of one of our layers: `code` says what went wrong, the class who says so. */
interface Coded extends Error {
  readonly code: string;
}
/** A refusal that knows its own status and fields, such as a report's. */
interface Refusal extends Coded {
  readonly status: number;
  readonly fields: readonly ProblemField[];
  /** Told in place of the message, when that says more than people need. */
  readonly detail?: string;
  /** Members of the body beside the usual ones. */
  readonly facts?: Readonly<Record<string, unknown>>;
}
const isRefusal = (error: Coded): error is Refusal =>
  'status' in error && typeof error.status === 'number' && 'fields' in error && Array.isArray(error.fields);
const isCoded = (error: unknown): error is Coded =>
  error instanceof Error && 'code' in error && typeof error.code === 'string';

/** The answer to an error, whoever threw it; null: nobody foresaw it (a bug, answered 500 without a word of detail). */
export function problemOf(error: unknown): ProblemBody | null {
  if (error instanceof Problem) return error.body();
  if (error instanceof LeadError) {
    const { field, fields, ...facts } = error.facts;
    const extras: ProblemExtras = {
      ...facts,
      fields: fields ?? (field === undefined ? [] : [{ field, rule: error.message }]),
    };
    return problemBody(error.status, error.code, error.message, extras);
  }
  if (error instanceof CommandError)
    return problemBody(409, error.code, error.message, { currentRevision: error.currentRevision });
  if (isCoded(error)) {
    if (isRefusal(error)) {
      const { code, detail = error.message, facts, fields, status } = error;
      return problemBody(status, code, detail, { ...facts, fields });
    }
    // EventLogError, the read store's StoreUnavailable: the same word in every layer.
    if (error.code === 'STORE_UNAVAILABLE')
      return problemBody(503, error.code, `${error.message}; try again`, { retryable: true });
    if (error.code === 'APPEND_TOO_LARGE' || error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
      return bodyTooLarge(MAX_BODY_BYTES).body();
    if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
      return new Problem('VALIDATION_FAILED', 'send the body as application/json', {
        fields: [{ field: 'content-type', rule: 'application/json' }],
      }).body();
  }
  if (error instanceof HttpException) return ofHttpException(error);
  return null;
}

/** Nest's and Fastify's own refusals: unknown route, malformed URL, a header block that is too large. */
function ofHttpException(error: HttpException): ProblemBody | null {
  if (isCoded(error.cause)) {
    const known = problemOf(error.cause);
    if (known !== null) return known;
  }
  const status = error.getStatus();
  if (status === 404) return new Problem('NOT_FOUND', error.message).body();
  if (status >= 400 && status < 500) return problemBody(status, 'VALIDATION_FAILED', error.message);
  return null;
}

/** Every error leaves as `application/problem+json` (spec §4.5); what nobody foresaw is logged with its stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    /** Methods under which a path is known: for 405 instead of 404. */
    private readonly methodsOf: (path: string) => readonly string[] = () => [],
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    let body = problemOf(error);
    if (error instanceof NotFoundException) {
      const allow = this.methodsOf(request.url.split('?', 1)[0] as string);
      if (allow.length > 0 && !allow.includes(request.method))
        body = new Problem('METHOD_NOT_ALLOWED', `this path answers ${allow.join(', ')}`, { allow }).body();
    }
    if (body === null) {
      this.logger.error({ err: error, method: request.method, route: request.routeOptions?.url }, 'unforeseen error');
      body = new Problem('INTERNAL_ERROR', 'the request failed; the log of the server says why').body();
    }
    const { leadId } = (request.params ?? {}) as { leadId?: string };
    if (body.leadId === undefined && leadId !== undefined) body = { ...body, leadId };
    if (reply.sent) return;
    if (body.status === 401) void reply.header('www-authenticate', 'Bearer realm="ledger"');
    if (body.status === 503) void reply.header('retry-after', '1');
    if (Array.isArray(body.allow)) void reply.header('allow', body.allow.join(', '));
    void reply.code(body.status).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(body));
  }
}
