import { hash } from 'node:crypto';

/** JSON with sorted keys and without undefined members: equal values, equal text. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members: string[] = [];
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object).sort())
    if (object[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(object[key])}`);
  return `{${members.join(',')}}`;
}

/** Tells a repeated command from another one under the same id (spec §2.7). */
export const hashOfCommand = (name: string, leadId: string | null, body: unknown): string =>
  hash('sha256', canonicalJson({ name, leadId, body }), 'hex');
