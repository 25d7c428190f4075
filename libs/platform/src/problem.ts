/** One rejected field of a request (spec §4.4 `VALIDATION_FAILED{field, rule}[]`). */
export interface ProblemField {
  /** Dotted path, e.g. `person.email` or `filter[source]`; empty for the body as a whole. */
  readonly field: string;
  readonly rule: string;
}

/** RFC 9457 body with the members of spec §4.5. */
export interface ProblemBody {
  readonly type: string;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  readonly fields: readonly ProblemField[];
  readonly leadId?: string;
  readonly currentState?: string;
  readonly currentRevision?: number;
  readonly retryable: boolean;
  /** Members of one code: `required`, `existingLeadId`, `survivorLeadId`, … */
  readonly [member: string]: unknown;
}

export interface ProblemExtras {
  readonly fields?: readonly ProblemField[];
  readonly retryable?: boolean;
  readonly [member: string]: unknown;
}

/** Codes that the platform itself answers with. A lead's own codes and their status live in libs/lead/src/errors.ts. */
export const PLATFORM_STATUS = {
  VALIDATION_FAILED: 400,
  WINDOW_INVALID: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN_ROLE: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  INTERNAL_ERROR: 500,
  STORE_UNAVAILABLE: 503,
  PROJECTION_BEHIND: 503,
  NOT_READY: 503,
} as const;
export type PlatformCode = keyof typeof PLATFORM_STATUS;

const RETRYABLE: ReadonlySet<string> = new Set([
  'STORE_UNAVAILABLE',
  'PROJECTION_BEHIND',
  'NOT_READY',
  'REQUEST_TIMEOUT',
]);

/** `INVALID_TRANSITION` → `Invalid transition`. */
const titleOf = (code: string): string => {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export function problemBody(status: number, code: string, detail: string, extras: ProblemExtras = {}): ProblemBody {
  const { fields = [], retryable = RETRYABLE.has(code), ...members } = extras;
  return {
    type: `urn:lead-ledger:problem:${code}`,
    code,
    title: titleOf(code),
    detail,
    status,
    fields,
    ...members,
    retryable,
  };
}

/** An answer of the platform: what the filter turns into a problem body. Thrown by guards, controllers and queries. */
export class Problem extends Error {
  readonly status: number;

  constructor(
    readonly code: PlatformCode,
    detail: string,
    readonly extras: ProblemExtras & { readonly status?: number } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = extras.status ?? PLATFORM_STATUS[code];
  }

  body(): ProblemBody {
    const { status: _, ...extras } = this.extras;
    return problemBody(this.status, this.code, this.message, extras);
  }
}

/** One field refused: the commonest problem. */
export const invalid = (field: string, rule: string): Problem =>
  new Problem('VALIDATION_FAILED', field === '' ? rule : `${field}: ${rule}`, { fields: [{ field, rule }] });
