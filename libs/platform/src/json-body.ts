import { invalid, Problem } from './problem.js';

/**
 * The largest JSON body: the ids of 10,000 leads and some fit; a capture is below 10 kB. Batches stream and have their own
 * limit a line.
 */
export const MAX_BODY_BYTES = 512 * 1024;
/** The deepest body of the contract is 6 levels; validation of thousands of levels would exhaust the stack. */
const MAX_DEPTH = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * JSON of an HTTP body, checked before anything walks it recursively: size is the caller's, here well-formed UTF-8, depth,
 * JSON syntax, lone surrogates and keys that name a prototype. Throws VALIDATION_FAILED, never anything else.
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw invalid('', 'the body is not UTF-8');
  }
  return parseJsonText(text);
}

/** As `parseJsonBody`, for one line of NDJSON that is a string already. */
export function parseJsonText(text: string): unknown {
  if (tooDeep(text)) throw invalid('', `the body is nested deeper than ${MAX_DEPTH} levels`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('', `the body is not JSON (${(error as Error).message.slice(0, 120)})`);
  }
  // Only an escape can bring a lone surrogate into text that was well-formed UTF-8, or an escaped spelling of a key.
  if (!text.isWellFormed() || text.includes('\\u') || text.includes('__proto__')) refuseUnsafeStrings(value, '');
  return value;
}

export const bodyTooLarge = (limit: number): Problem =>
  new Problem('VALIDATION_FAILED', `the body is larger than ${limit} bytes`, {
    status: 413,
    fields: [{ field: '', rule: `at most ${limit} bytes` }],
  });

/** Counts brackets outside strings, without recursion and before parsing. */
function tooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return false;
}

function refuseUnsafeStrings(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw invalid(path, 'contains a lone surrogate');
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      refuseUnsafeStrings(item, path === '' ? `${index}` : `${path}.${index}`);
  } else if (value !== null && typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) {
      if (!key.isWellFormed()) throw invalid(path, 'a field name contains a lone surrogate');
      if (key === '__proto__') throw invalid(path === '' ? key : `${path}.${key}`, 'unknown field');
      refuseUnsafeStrings(item, path === '' ? key : `${path}.${key}`);
    }
  }
}
