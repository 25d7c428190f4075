import { Temporal } from 'temporal-polyfill';

/**
 * How a time column is written: `iso` (date, date-time with or without offset), `epoch_s`, `epoch_ms`, or a pattern of
 * yyyy MM dd HH mm ss SSS and separators, e.g. `dd/MM/yyyy HH:mm`. Times without an offset are local to `timeZone`.
 */
export interface TimeFormat {
  readonly format: string;
  /** IANA name; a date alone is that day's first instant there. */
  readonly timeZone: string;
}

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$/i;
const TOKENS = { yyyy: '(\\d{4})', MM: '(\\d{1,2})', dd: '(\\d{1,2})', HH: '(\\d{1,2})', mm: '(\\d{2})', ss: '(\\d{2})', SSS: '(\\d{1,3})' }; // prettier-ignore
type Token = keyof typeof TOKENS;

/** Local date and time: year, month, day, hour, minute, second, millisecond. */
type Parts = [number, number, number, number, number, number, number];

/** Reader of one format: epoch ms, or null when the text is not a time in it. Throws RangeError for an unusable format or zone. */
export function timeReader({ format, timeZone }: TimeFormat): (text: string) => number | null {
  const toMs = localToMs(timeZone);
  switch (format) {
    case 'iso':
      return (text) => readIso(text, toMs);
    case 'epoch_s':
      return (text) => (/^-?\d{1,12}(\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : null);
    case 'epoch_ms':
      return (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : null);
    default:
      return patternReader(format, toMs);
  }
}

function readIso(text: string, toMs: (parts: Parts) => number | null): number | null {
  const found = ISO.exec(text);
  if (found === null) return null;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = found;
  const millisecond = Number(fraction.padEnd(3, '0').slice(0, 3));
  const parts: Parts = [+year!, +month!, +day!, +hour, +minute, +second, millisecond];
  if (offset === undefined) return toMs(parts);
  const utc = utcMs(parts);
  if (utc === null || /^(Z|UTC)$/i.test(offset)) return utc;
  const [, sign, hours, minutes = '0'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(offset)!;
  if (Number(hours) > 18 || Number(minutes) > 59) return null;
  return utc - (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

function patternReader(pattern: string, toMs: (parts: Parts) => number | null): (text: string) => number | null {
  const tokens: Token[] = [];
  const source = pattern.replaceAll(/yyyy|MM|dd|HH|mm|SSS|ss|[\s\S]/g, (piece) => {
    if (Object.hasOwn(TOKENS, piece)) {
      tokens.push(piece as Token);
      return TOKENS[piece as Token];
    }
    if (/[a-z\d]/i.test(piece) && piece !== 'T') throw new RangeError(`unknown time format ${JSON.stringify(pattern)}`);
    return piece.replaceAll(/[^\s\w]/g, String.raw`\$&`);
  });
  for (const needed of ['yyyy', 'MM', 'dd'] as const)
    if (tokens.filter((token) => token === needed).length !== 1)
      throw new RangeError(`time format ${JSON.stringify(pattern)} needs ${needed} once`);
  const expression = new RegExp(`^${source}$`);
  return (text) => {
    const found = expression.exec(text);
    if (found === null) return null;
    const part = (token: Token): number => {
      const at = tokens.indexOf(token);
      return at < 0 ? 0 : Number(found[at + 1]);
    };
    return toMs([part('yyyy'), part('MM'), part('dd'), part('HH'), part('mm'), part('ss'), part('SSS')]);
  };
}

/** Null for days and hours that do not exist (30 February, 24:01). */
function utcMs([year, month, day, hour, minute, second, millisecond]: Parts): number | null {
  if (hour > 23 || minute > 59 || second > 59 || month < 1 || day < 1) return null;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  const back = new Date(ms);
  const exists = back.getUTCFullYear() === year && back.getUTCMonth() === month - 1 && back.getUTCDate() === day;
  return exists ? ms : null;
}

function localToMs(timeZone: string): (parts: Parts) => number | null {
  if (timeZone === 'UTC') return utcMs;
  // Refuses an unknown zone when the mapping is read, not at the first row.
  Temporal.PlainDate.from('2000-01-01').toZonedDateTime(timeZone);
  return (parts) => {
    if (utcMs(parts) === null) return null;
    const [year, month, day, hour, minute, second, millisecond] = parts;
    return Temporal.PlainDateTime.from({ year, month, day, hour, minute, second, millisecond }).toZonedDateTime(
      timeZone,
    ).epochMilliseconds;
  };
}
