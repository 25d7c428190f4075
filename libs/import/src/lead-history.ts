import { type CommandName, parseLeadCommand } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { CellError } from './import-error.js';
import type { JoinedLead } from './join.js';
import { type CellExpression, type Expression, folded, type Mapping, type TimeExpression } from './mapping.js'; // prettier-ignore
import { cellOf, type SourceRecord } from './source-file.js';

/** A command of a lead's past. */
export interface TimedCommand {
  readonly name: CommandName;
  readonly body: Readonly<Record<string, unknown>>;
  /** The row it comes from. */
  readonly record: SourceRecord;
}

/** Everything a source says about one lead; the first command is its capture. */
export interface LeadHistory {
  readonly externalRow: string;
  readonly commands: readonly TimedCommand[];
}

/** Why a lead is refused, and the row to blame. */
export interface Refusal {
  readonly code: string;
  /** The column, or the field of the command that the column went into. */
  readonly field?: string;
  readonly message: string;
  readonly record: SourceRecord;
}

/** One lead's rows → its commands in order, or why not. Pure: the same rows give the same commands. */
export function leadHistory(mapping: Mapping, lead: JoinedLead): LeadHistory | Refusal {
  for (const [file, records] of lead.records) {
    const malformed = records.find((record) => record.malformed !== undefined);
    if (malformed !== undefined) return { code: 'ROW_MALFORMED', message: malformed.malformed!, record: malformed };
    const { rows, key } = mapping.files.get(file)!;
    if (rows === 'one' && records.length > 1)
      return { code: 'VALIDATION_FAILED', field: key, message: `${records.length} rows in ${file} where one may be`, record: records[1]! }; // prettier-ignore
  }
  const first = lead.records.get(mapping.primary)![0]!;
  let blamed = first;
  try {
    for (const { file, column, test } of mapping.checks) {
      for (blamed of lead.records.get(file) ?? []) {
        const text = cellOf(blamed, column);
        if (!test(text)) throw new CellError(column, `${column}: the mapping does not allow ${shown(text)}`);
      }
    }
    blamed = first;
    const { command: capture } = timedCommand(
      lead,
      null,
      first,
      'CaptureLead',
      mapping.capturedAt,
      mapping.captureBody,
    );
    const externalIds = [{ system: systemOf(mapping, lead), id: lead.key }];
    const later: Found[] = [];
    for (const step of mapping.history) {
      for (const [row, record] of step.each === null
        ? [[0, null] as const]
        : (lead.records.get(step.each) ?? []).entries()) {
        blamed = record ?? first;
        if (!step.when.every(({ file, column, test }) => test(textOf(lead, record, file, column)))) continue;
        later.push({ ...timedCommand(lead, record, blamed, step.command, step.at, step.body), row });
      }
    }
    if (mapping.order === 'time') sortByTime(later);
    return {
      externalRow: lead.key,
      commands: [{ ...capture, body: { externalIds, ...capture.body } }, ...later.map(({ command }) => command)],
    };
  } catch (error) {
    if (error instanceof CellError)
      return { code: 'VALIDATION_FAILED', field: error.column, message: error.message, record: blamed };
    throw error;
  }
}

interface Found {
  readonly command: TimedCommand;
  readonly atMs: number;
  /** Index of its row among the lead's rows of that file. */
  readonly row: number;
}

/**
 * What happened at one instant stays in the order of the rows, and of the mapping within a row; a file that lists the lead's
 * rows newest first is read from its end (dates without times would come out backwards otherwise).
 */
function sortByTime(found: Found[]): void {
  const byRow = found.toSorted((a, b) => a.row - b.row);
  const pairs = byRow.slice(1).map((it, n) => it.atMs - byRow[n]!.atMs);
  const newestFirst = pairs.every((step) => step <= 0) && pairs.some((step) => step < 0);
  found.sort((a, b) => a.atMs - b.atMs || (newestFirst ? b.row - a.row : a.row - b.row));
}

export const isRefusal = (made: object): made is Refusal => 'code' in made && 'record' in made;

/** Checks the bodies as a client's would be. The `leadId` is the one the lead is going to have. */
export function checkedCommands(history: LeadHistory, leadId: string): ReturnType<typeof parseLeadCommand>[] | Refusal {
  const checked: ReturnType<typeof parseLeadCommand>[] = [];
  for (const { name, body, record } of history.commands) {
    try {
      checked.push(parseLeadCommand(name, leadId, body));
    } catch (error) {
      if (!(error instanceof LeadError)) throw error;
      return { code: error.code, field: fieldOf(error), message: error.message, record };
    }
  }
  return checked;
}

/** The field an error of the domain names, if any. */
export const fieldOf = ({ facts }: LeadError): string | undefined => facts.field ?? facts.fields?.[0]?.field;

/** `record`: the row it is about; null when it is about the lead as a whole. */
function timedCommand(
  lead: JoinedLead,
  record: SourceRecord | null,
  blamed: SourceRecord,
  name: CommandName,
  at: TimeExpression,
  template: Expression,
): { readonly command: TimedCommand; readonly atMs: number } {
  const atMs = timeOf(lead, record, at);
  if (atMs === null) throw new CellError(at.column, `${at.column} is blank: when was ${name}?`);
  const body = valueOf(template, lead, record) as Record<string, unknown> | undefined;
  return { command: { name, body: { ...body, occurredAt: iso(atMs) }, record: blamed }, atMs };
}

function systemOf({ system }: Mapping, lead: JoinedLead): string {
  if (typeof system === 'string') return system;
  const value = cellValue(system, lead, null);
  if (typeof value !== 'string') throw new CellError(system.column, `${system.column} is blank`);
  return value;
}

/** A cell of the row at hand; of another file, or for the lead as a whole, the first one that is not blank. */
function textOf(lead: JoinedLead, record: SourceRecord | null, file: string, column: string): string {
  return record?.file === file ? cellOf(record, column).trim() : firstOf(lead, file, column);
}

function firstOf(lead: JoinedLead, file: string, column: string): string {
  for (const record of lead.records.get(file) ?? []) {
    const text = cellOf(record, column).trim();
    if (text !== '') return text;
  }
  return '';
}

function timeOf(lead: JoinedLead, record: SourceRecord | null, at: TimeExpression): number | null {
  if (!at.earliest) return readTime(textOf(lead, record, at.file, at.column), at);
  let earliest: number | null = null;
  for (const each of lead.records.get(at.file) ?? []) {
    const text = cellOf(each, at.column).trim();
    // A time that cannot be read is told where its own row is looked at, or here when it is the only one.
    const ms = text === '' ? null : at.read(text);
    if (ms !== null && (earliest === null || ms < earliest)) earliest = ms;
  }
  return earliest ?? readTime(firstOf(lead, at.file, at.column), at);
}

function readTime(text: string, at: TimeExpression): number | null {
  if (text === '') return null;
  const ms = at.read(text);
  if (ms === null) throw new CellError(at.column, `${at.column}: ${shown(text)} is no time in the mapping's format`);
  return ms;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Undefined = nothing to say: the member is left out. Objects and lists without any member are left out too. */
function valueOf(expression: Expression, lead: JoinedLead, record: SourceRecord | null): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'cell':
      return cellValue(expression, lead, record);
    case 'money':
      return moneyValue(expression, lead, record);
    case 'time':
    case 'date': {
      const ms = timeOf(lead, record, expression.time);
      if (ms === null) return undefined;
      return expression.kind === 'time' ? iso(ms) : iso(ms).slice(0, 10);
    }
    case 'list': {
      const items = expression.items.map((item) => valueOf(item, lead, record)).filter((item) => item !== undefined);
      return items.length === 0 && expression.items.length > 0 ? undefined : items;
    }
    default: {
      const members = expression.members
        .map(([key, member]) => [key, valueOf(member, lead, record)] as const)
        .filter(([, value]) => value !== undefined);
      return members.length === 0 && expression.members.length > 0 ? undefined : Object.fromEntries(members);
    }
  }
}

function cellValue(expression: CellExpression, lead: JoinedLead, record: SourceRecord | null): unknown {
  const { column, file, map, otherwise } = expression;
  const text = textOf(lead, record, file, column);
  if (text === '') return expression.default;
  if (map === null) return typed(expression, text);
  const mapped = map.get(folded(text));
  if (mapped !== undefined) return mapped ?? undefined;
  if (otherwise === 'reject') throw new CellError(column, `${column}: the mapping knows no ${shown(text)}`);
  return otherwise === 'keep' ? typed(expression, text) : expression.default;
}

function typed({ as, column }: CellExpression, text: string): unknown {
  switch (as) {
    case 'text':
      return text;
    case 'integer':
      if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
      break;
    case 'number':
      if (/^[+-]?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
      break;
    case 'boolean':
      if (/^(true|yes|y|1)$/i.test(text)) return true;
      if (/^(false|no|n|0)$/i.test(text)) return false;
      break;
    case 'list':
      return text.split(';').map((item) => item.trim()).filter((item) => item !== ''); // prettier-ignore
  }
  throw new CellError(column, `${column}: ${shown(text)} is not ${as === 'boolean' ? 'yes or no' : `a${as === 'integer' ? 'n integer' : ' number'}`}`); // prettier-ignore
}

function moneyValue(
  { amount, currency, unit }: Extract<Expression, { kind: 'money' }>,
  lead: JoinedLead,
  record: SourceRecord | null,
): unknown {
  const text = textOf(lead, record, amount.file, amount.column);
  if (text === '') return undefined;
  const code = typeof currency === 'string' ? currency : cellValue(currency, lead, record);
  if (typeof code !== 'string' || !/^[A-Z]{3}$/.test(code)) {
    const column = typeof currency === 'string' ? amount.column : currency.column;
    throw new CellError(column, `${column}: an amount needs a currency of three capital letters`);
  }
  const found = /^([+-]?)(\d{1,15})(?:\.(\d+))?$/.exec(text);
  const digits = unit === 'minor' ? 0 : minorDigits(code);
  const [, sign, whole, fraction = ''] = found ?? [];
  // 12.500 is 12.50; 12.505 has no place in cents and is not rounded behind the sender's back.
  if (found === null || /[1-9]/.test(fraction.slice(digits)))
    throw new CellError(amount.column, `${amount.column}: ${shown(text)} is no amount in ${code}`);
  const minor = Number(`${sign}${whole}${fraction.slice(0, digits).padEnd(digits, '0')}`);
  if (!Number.isSafeInteger(minor)) throw new CellError(amount.column, `${amount.column}: amount out of range`);
  return { amountMinor: minor, currency: code };
}

const digitsOf = new Map<string, number>();
/** Minor digits of a currency (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD. */
function minorDigits(currency: string): number {
  const known = digitsOf.get(currency);
  if (known !== undefined) return known;
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  digitsOf.set(currency, maximumFractionDigits);
  return maximumFractionDigits;
}

/** A cell's text in a message: short, and on one line. */
const shown = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
