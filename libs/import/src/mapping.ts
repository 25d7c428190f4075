import { createHash } from 'node:crypto';
import { z } from 'zod';
import { leadCommandSchemas, type CommandName } from '#libs/lead/src/commands.js';
import { ImportError } from './import-error.js';
import { timeReader } from './time-format.js';

/**
 * The mapping document: how the columns of some files become one timed command sequence per lead. JSON, strict.
 * docs/import.md lists its members; `mappings/*.json` are two complete ones.
 */

const name = z.string().min(1).max(64);
const fileName = name.regex(/^[a-z][a-zA-Z0-9_]*$/, 'a short name: letters, digits, _');
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const valueMap = z.record(z.string(), scalar);

const cell = z.strictObject({
  $column: name,
  file: fileName.optional(),
  /** Blank cells: the member is left out, unless a default is given. */
  default: scalar.optional(),
  as: z.enum(['text', 'integer', 'number', 'boolean', 'list']).default('text'),
  /** Own table or the name of one in `maps`. Keys are compared trimmed and without case. */
  map: z.union([valueMap, name]).optional(),
  /** A value that the map does not know: refuse the row, leave the member out, or keep it as it is. */
  otherwise: z.enum(['reject', 'drop', 'keep']).default('reject'),
});
const time = z.strictObject({
  $column: name,
  file: fileName.optional(),
  format: z.string().min(1).max(64).optional(),
  timeZone: name.optional(),
  /** `earliest` of all the lead's rows of that file, instead of this row's. */
  pick: z.enum(['earliest']).optional(),
});
const timeCell = z.strictObject({ $time: time });
const dateCell = z.strictObject({ $date: time });
const moneyCell = z.strictObject({
  $money: z.strictObject({
    amount: cell,
    /** A code, or the column that has it. */
    currency: z.union([z.string().regex(/^[A-Z]{3}$/), cell]),
    /** `major` (default): 12.50 is 1250 minor units; `minor`: an integer of minor units. */
    unit: z.enum(['major', 'minor']).default('major'),
  }),
});
const predicate = z
  .strictObject({
    column: name,
    file: fileName.optional(),
    present: z.boolean().optional(),
    /** Compared trimmed and without case. */
    equals: z.string().optional(),
    in: z.array(z.string()).min(1).optional(),
  })
  .refine((it) => [it.present, it.equals, it.in].filter((test) => test !== undefined).length === 1, {
    message: 'say exactly one of present, equals, in',
  });

const template = z.record(z.string(), z.json());

export const mappingSchema = z.strictObject({
  schema: z.literal('lead-import/1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'lower-case letters, digits, - and _'),
  description: z.string().max(2000).optional(),
  files: z.record(
    fileName,
    z.strictObject({
      /** File name pattern, `*` for any characters; without case. */
      match: z.string().min(1).max(256),
      format: z.enum(['csv', 'ndjson']).optional(),
      delimiter: z.string().length(1).optional(),
      encoding: z.enum(['utf8', 'latin1', 'utf16le']).default('utf8'),
      /** The column that joins the files: the lead's key. */
      key: name,
      /** Rows a lead may have in this file. */
      rows: z.enum(['one', 'many']).default('one'),
      optional: z.boolean().default(false),
      /** Columns that the file must have; default: every column the mapping reads. */
      requiredColumns: z.array(name).optional(),
    }),
  ),
  /** The file that says which leads there are; the others add to them. */
  primary: fileName,
  lead: z.strictObject({
    /** The source system's name: with the key it is the lead's external id, by which it is known when it comes again. */
    system: z.union([name, cell]),
    capturedAt: z.strictObject({ ...time.shape }),
    /** Body of CaptureLead. `captureMethod`, `externalIds` and `leadType` have defaults. */
    body: template,
  }),
  history: z.array(
    z.strictObject({
      command: z.string(),
      /** Once per row of this file instead of once per lead; its columns are then that row's. */
      each: fileName.optional(),
      when: z.array(predicate).default([]),
      at: time,
      body: template.default({}),
    }),
  ),
  /** What every row must fulfil, else its lead is refused. */
  checks: z.array(predicate).default([]),
  /** `written`: commands of a lead in the order of this document; `time`: by their times. */
  order: z.enum(['written', 'time']).default('written'),
  /** A transition earlier than the one before: refuse the lead, or take over the earlier one's time and say so. */
  outOfOrder: z.enum(['refuse', 'clamp']).default('refuse'),
  maps: z.record(name, valueMap).default({}),
  defaults: z
    .strictObject({
      timeFormat: z.string().min(1).max(64).default('iso'),
      timeZone: name.default('UTC'),
      leadType: name.default('new_business'),
    })
    .prefault({}),
});

export type MappingDocument = z.input<typeof mappingSchema>;
type Parsed = z.output<typeof mappingSchema>;
export type MappedFile = Parsed['files'][string];
type CellSpec = z.output<typeof cell>;
type TimeSpec = z.output<typeof time>;
type Predicate = z.output<typeof predicate>;

/** An expression of a body, checked and resolved: which file, which table, which time reader. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: unknown }
  | CellExpression
  | {
      readonly kind: 'money';
      readonly amount: CellExpression;
      readonly currency: string | CellExpression;
      readonly unit: 'major' | 'minor';
    }
  | { readonly kind: 'time' | 'date'; readonly time: TimeExpression }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Expression])[] };
export interface CellExpression {
  readonly kind: 'cell';
  readonly file: string;
  readonly column: string;
  readonly as: CellSpec['as'];
  readonly default: unknown;
  readonly map: ReadonlyMap<string, unknown> | null;
  readonly otherwise: CellSpec['otherwise'];
}
export interface TimeExpression {
  readonly file: string;
  readonly column: string;
  readonly read: (text: string) => number | null;
  readonly earliest: boolean;
}
export interface CompiledPredicate {
  readonly file: string;
  readonly column: string;
  readonly test: (cell: string) => boolean;
}
export interface HistoryStep {
  readonly command: CommandName;
  /** The file whose rows each give one such command; null: one per lead. */
  readonly each: string | null;
  readonly when: readonly CompiledPredicate[];
  readonly at: TimeExpression;
  readonly body: Expression;
}

/** A mapping that was checked as a whole and is ready to be applied to rows. */
export interface Mapping {
  readonly name: string;
  /** sha256 hex of what the document means: names, descriptions and formatting do not count. */
  readonly digest: string;
  readonly document: MappingDocument;
  readonly files: ReadonlyMap<string, MappedFile>;
  readonly primary: string;
  readonly system: string | CellExpression;
  readonly capturedAt: TimeExpression;
  readonly captureBody: Expression;
  readonly history: readonly HistoryStep[];
  readonly checks: readonly CompiledPredicate[];
  readonly order: 'written' | 'time';
  readonly outOfOrder: 'refuse' | 'clamp';
  /** Columns each file must have. */
  readonly requiredColumns: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Checks a mapping document as a whole and resolves it.
 * @throws ImportError MAPPING_INVALID whose message and `field` name the first wrong path and the rule it breaks.
 */
export function compileMapping(document: unknown): Mapping {
  const checked = mappingSchema.safeParse(document);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw wrong(issue.path.join('.'), issue.message);
  }
  return new Compiler(checked.data, document as MappingDocument).mapping();
}

const wrong = (path: string, rule: string): ImportError =>
  new ImportError('MAPPING_INVALID', path === '' ? rule : `${path}: ${rule}`, path);

class Compiler {
  readonly #parsed: Parsed;
  readonly #document: MappingDocument;
  readonly #columns = new Map<string, Set<string>>();

  constructor(parsed: Parsed, document: MappingDocument) {
    this.#parsed = parsed;
    this.#document = document;
  }

  mapping(): Mapping {
    const { files, primary, lead, history, checks, order, outOfOrder } = this.#parsed;
    for (const [file, { key }] of Object.entries(files)) this.#columns.set(file, new Set([key]));
    if (!Object.hasOwn(files, primary)) throw wrong('primary', `no file ${JSON.stringify(primary)} in files`);
    if (files[primary]!.optional) throw wrong(`files.${primary}.optional`, 'the primary file cannot be optional');
    const { captureMethod = 'import', leadType = this.#parsed.defaults.leadType, ...body } = lead.body;
    const compiled = {
      name: this.#parsed.name,
      digest: this.#digest(),
      document: this.#document,
      files: new Map(Object.entries(files)),
      primary,
      system: typeof lead.system === 'string' ? lead.system : this.#cell(lead.system, 'lead.system', primary),
      capturedAt: this.#time(lead.capturedAt, 'lead.capturedAt', primary),
      captureBody: this.#expression({ ...body, captureMethod, leadType }, 'lead.body', primary),
      history: history.map((step, n) => this.#step(step, `history.${n}`)),
      checks: checks.map((test, n) => this.#predicate(test, `checks.${n}`, primary)),
      order,
      outOfOrder,
    };
    this.#refuseUnknownMembers('CaptureLead', lead.body, 'lead.body');
    return { ...compiled, requiredColumns: this.#requiredColumns() };
  }

  #step(step: Parsed['history'][number], path: string): HistoryStep {
    if (!Object.hasOwn(leadCommandSchemas, step.command))
      throw wrong(`${path}.command`, `no command ${JSON.stringify(step.command)}`);
    const command = step.command as CommandName;
    if (command === 'CaptureLead') throw wrong(`${path}.command`, 'the capture is described by `lead`');
    if (step.each !== undefined) this.#file(step.each, `${path}.each`);
    const file = step.each ?? this.#parsed.primary;
    this.#refuseUnknownMembers(command, step.body, `${path}.body`);
    return {
      command,
      each: step.each ?? null,
      when: step.when.map((test, n) => this.#predicate(test, `${path}.when.${n}`, file)),
      at: this.#time(step.at, `${path}.at`, file),
      body: this.#expression(step.body, `${path}.body`, file),
    };
  }

  /** A member that no row could ever fill rightly is the mapping's fault, not each row's. */
  #refuseUnknownMembers(command: CommandName, body: object, path: string): void {
    const known = leadCommandSchemas[command].shape as Record<string, unknown>;
    for (const member of Object.keys(body))
      if (!Object.hasOwn(known, member)) throw wrong(`${path}.${member}`, `${command} has no such field`);
  }

  #expression(value: unknown, path: string, file: string): Expression {
    if (Array.isArray(value))
      return { kind: 'list', items: value.map((item, n) => this.#expression(item, `${path}.${n}`, file)) };
    if (typeof value !== 'object' || value === null) return { kind: 'literal', value };
    if ('$column' in value) return this.#cell(parse(cell, value, path), path, file);
    if ('$time' in value)
      return { kind: 'time', time: this.#time(parse(timeCell, value, path).$time, `${path}.$time`, file) };
    if ('$date' in value)
      return { kind: 'date', time: this.#time(parse(dateCell, value, path).$date, `${path}.$date`, file) };
    if ('$money' in value) {
      const { amount, currency, unit } = parse(moneyCell, value, path).$money;
      return {
        kind: 'money',
        amount: this.#cell(amount, `${path}.$money.amount`, file),
        currency: typeof currency === 'string' ? currency : this.#cell(currency, `${path}.$money.currency`, file),
        unit,
      };
    }
    const odd = Object.keys(value).find((key) => key.startsWith('$'));
    if (odd !== undefined) throw wrong(`${path}.${odd}`, 'no such expression: $column, $time, $date or $money');
    return {
      kind: 'object',
      members: Object.entries(value).map(([key, member]) => [key, this.#expression(member, `${path}.${key}`, file)]),
    };
  }

  #cell(spec: CellSpec, path: string, defaultFile: string): CellExpression {
    const file = this.#file(spec.file ?? defaultFile, `${path}.file`);
    this.#columns.get(file)!.add(spec.$column);
    return {
      kind: 'cell',
      file,
      column: spec.$column,
      as: spec.as,
      default: spec.default,
      map: this.#map(spec.map, path),
      otherwise: spec.otherwise,
    };
  }

  #map(spec: CellSpec['map'], path: string): ReadonlyMap<string, unknown> | null {
    if (spec === undefined) return null;
    const table = typeof spec === 'string' ? this.#parsed.maps[spec] : spec;
    if (table === undefined) throw wrong(`${path}.map`, `no table ${JSON.stringify(spec)} in maps`);
    return new Map(Object.entries(table).map(([from, to]) => [folded(from), to]));
  }

  #time(spec: TimeSpec, path: string, defaultFile: string): TimeExpression {
    const file = this.#file(spec.file ?? defaultFile, `${path}.file`);
    this.#columns.get(file)!.add(spec.$column);
    const { timeFormat, timeZone } = this.#parsed.defaults;
    try {
      const read = timeReader({ format: spec.format ?? timeFormat, timeZone: spec.timeZone ?? timeZone });
      return { file, column: spec.$column, read, earliest: spec.pick === 'earliest' };
    } catch (error) {
      if (error instanceof RangeError) throw wrong(path, error.message);
      throw error;
    }
  }

  #predicate(spec: Predicate, path: string, defaultFile: string): CompiledPredicate {
    const file = this.#file(spec.file ?? defaultFile, `${path}.file`);
    this.#columns.get(file)!.add(spec.column);
    const accepted = new Set((spec.in ?? [spec.equals ?? '']).map(folded));
    const test =
      spec.present === undefined
        ? (value: string) => accepted.has(folded(value))
        : (value: string) => (value.trim() !== '') === spec.present;
    return { file, column: spec.column, test };
  }

  #file(file: string, path: string): string {
    if (!Object.hasOwn(this.#parsed.files, file)) throw wrong(path, `no file ${JSON.stringify(file)} in files`);
    return file;
  }

  #requiredColumns(): Map<string, ReadonlySet<string>> {
    return new Map(
      Object.entries(this.#parsed.files).map(([file, { requiredColumns, key }]) => [
        file,
        requiredColumns === undefined ? this.#columns.get(file)! : new Set([key, ...requiredColumns]),
      ]),
    );
  }

  #digest(): string {
    const { name: _, description: __, ...meaning } = this.#parsed;
    return createHash('sha256').update(canonical(meaning)).digest('hex');
  }
}

function parse<T extends z.ZodType>(schema: T, value: unknown, path: string): z.output<T> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw wrong([path, ...issue.path].join('.'), issue.message);
}

let lastFolded: readonly [from: string, to: string] = ['', ''];
/** How cells and tables are compared. A cell is asked about many times in a row, so the last answer is kept. */
export function folded(value: string): string {
  if (lastFolded[0] !== value) lastFolded = [value, value.trim().toLowerCase()];
  return lastFolded[1];
}

/** JSON with sorted members: equal documents, equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** Does a file's name fit the pattern of a mapped file (`*` = any characters, without case)? */
export function fileNameMatches(pattern: string, fileName: string): boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*');
  return new RegExp(`^${source}$`, 'i').test(fileName);
}
