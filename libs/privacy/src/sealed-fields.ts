import type { z } from 'zod';
import { decrypt, encrypt } from './aes-gcm.js';
import { PrivacyError } from './privacy-error.js';

export interface DataKey {
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

type Json = Record<string, unknown>;
/** Where personal values sit below a schema: here as a whole, in some fields, or in the elements of a list. */
type Place = 'personal' | { readonly fields: ReadonlyMap<string, Place> } | { readonly items: Place };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Takes the personal fields († in the spec) of an event's data out and puts them, encrypted, into `data.sealed`; and back.
 * Which fields those are is read from the schemas once. `sealed` = base64 of iv|tag|AES-256-GCM of the JSON of one partial
 * object that merges deeply into the rest (lists by index, `null` for an element without personal values).
 */
export class SealedFields {
  readonly #places = new Map<string, Place>();

  constructor(schemas: Readonly<Record<string, z.core.$ZodType>>, isPersonal: (schema: z.core.$ZodType) => boolean) {
    for (const [type, schema] of Object.entries(schemas)) {
      const place = placeOf(schema, isPersonal);
      if (place !== null) this.#places.set(type, place);
    }
  }

  /** The plain rest and the personal part; `personal` is null when the event carries none. */
  split(type: string, data: Json): { readonly plain: Json; readonly personal: Json | null } {
    const place = this.#places.get(type);
    if (place === undefined) return { plain: data, personal: null };
    const [plain, personal] = split(place, data);
    return { plain: (plain ?? {}) as Json, personal: (personal ?? null) as Json | null };
  }

  /** Whether sealing would need a key. */
  carriesPersonal(type: string, data: Json): boolean {
    const place = this.#places.get(type);
    return place !== undefined && carries(place, data);
  }
}

/**
 * Takes what `split` gave and answers the data to store. `associated` (`<leadId>/<eventId>`) binds the ciphertext to its
 * event: it opens nowhere else.
 */
export function seal(plain: Json, personal: Json, key: DataKey, associated: string): Json {
  plain.sealed = encrypt(key.key, JSON.stringify(personal), associated).toString('base64');
  return plain;
}

/** Inverse of `seal`; data without `sealed` comes back as it is. SEAL_BROKEN when key, event and bytes do not fit. */
export function open(data: Json, key: DataKey, associated: string): Json {
  if (data.sealed === undefined) return data;
  const { sealed, ...plain } = data;
  let personal: unknown;
  try {
    if (typeof sealed !== 'string') throw new TypeError('sealed is not text');
    personal = JSON.parse(decrypt(key.key, Buffer.from(sealed, 'base64'), associated).toString('utf8'));
  } catch (cause) {
    throw new PrivacyError('SEAL_BROKEN', `the sealed fields of ${associated} do not open`, undefined, { cause });
  }
  return merge(plain, personal) as Json;
}

/** What stays readable when the key is gone (erased) or not wanted. */
export function withoutSealed(data: Json): Json {
  if (data.sealed === undefined) return data;
  const { sealed: _, ...plain } = data;
  return plain;
}

/** The wrappers and containers of the schema language that events use; what is not known counts as a leaf. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly options?: readonly z.core.$ZodType[];
  readonly items?: readonly z.core.$ZodType[];
}

function placeOf(schema: z.core.$ZodType, isPersonal: (schema: z.core.$ZodType) => boolean): Place | null {
  if (isPersonal(schema)) return 'personal';
  const below = (inner: z.core.$ZodType | undefined) => (inner === undefined ? null : placeOf(inner, isPersonal));
  const definition = schema._zod.def as unknown as Definition;
  switch (definition.type) {
    case 'object': {
      const fields = new Map<string, Place>();
      for (const [field, inner] of Object.entries(definition.shape ?? {})) {
        const place = below(inner);
        if (place !== null) fields.set(field, place);
      }
      return fields.size === 0 ? null : { fields };
    }
    case 'array': {
      const items = below(definition.element);
      // A list of bare personal values goes as a whole: `null` in the partial object could not tell absent from null.
      return items === null || items === 'personal' ? items : { items };
    }
    case 'optional':
    case 'nullable':
    case 'default':
    case 'readonly':
      return below(definition.innerType);
    default: {
      // Records, unions, tuples: sealed as a whole when anything inside is personal.
      const inside = [definition.valueType, ...(definition.options ?? []), ...(definition.items ?? [])];
      return inside.some((inner) => below(inner) !== null) ? 'personal' : null;
    }
  }
}

function carries(place: Place, value: unknown): boolean {
  if (value === undefined) return false;
  if (place === 'personal') return true;
  if ('items' in place) return Array.isArray(value) && value.some((item) => carries(place.items, item));
  if (!isObject(value)) return false;
  for (const [field, inner] of place.fields) if (carries(inner, value[field])) return true;
  return false;
}

/** [rest, personal part], each undefined when there is none. */
function split(place: Place, value: unknown): [unknown, unknown] {
  if (value === undefined) return [undefined, undefined];
  if (place === 'personal') return [undefined, value];
  if ('items' in place) {
    if (!Array.isArray(value)) return [value, undefined];
    const parts = value.map((item) => split(place.items, item));
    const personal = parts.some(([, part]) => part !== undefined);
    return [parts.map(([rest]) => rest), personal ? parts.map(([, part]) => part ?? null) : undefined];
  }
  if (!isObject(value)) return [value, undefined];
  let personal: Json | undefined;
  const rest: Json = {};
  // Built anew: deleting from a copy would leave a slow object behind.
  for (const field of Object.keys(value)) {
    const inner = place.fields.get(field);
    if (inner === undefined) {
      rest[field] = value[field];
      continue;
    }
    const [fieldRest, fieldPersonal] = split(inner, value[field]);
    if (fieldPersonal !== undefined) (personal ??= {})[field] = fieldPersonal;
    if (fieldRest !== undefined) rest[field] = fieldRest;
  }
  return personal === undefined ? [value, undefined] : [rest, personal];
}

function merge(plain: unknown, personal: unknown): unknown {
  if (personal === null || personal === undefined) return plain;
  if (Array.isArray(plain) && Array.isArray(personal)) return plain.map((item, index) => merge(item, personal[index]));
  if (!isObject(plain) || !isObject(personal)) return personal;
  const merged = { ...plain };
  for (const [field, value] of Object.entries(personal))
    merged[field] = Object.hasOwn(plain, field) ? merge(plain[field], value) : value;
  return merged;
}
