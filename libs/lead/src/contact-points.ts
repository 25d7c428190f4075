import { COUNTRIES } from './countries.js';
import { LeadError, type LeadErrorCode } from './errors.js';

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\uffff-]+";
const LABEL = '[A-Za-z0-9\\u0080-\\uffff](?:[A-Za-z0-9\\u0080-\\uffff-]{0,61}[A-Za-z0-9\\u0080-\\uffff])?';
/** Shape of RFC 5321 with a dotted local part and a domain of at least two labels; no quoted parts, no literals. */
const EMAIL = new RegExp(`^(?=.{1,254}$)(?=.{1,64}@)${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})+$`);
const E164 = /^\+[1-9]\d{6,14}$/;

const refuse = (code: LeadErrorCode, field: string, rule: string): never => {
  throw new LeadError(code, `${field}: ${rule}`, { field, fields: [{ field, rule }] });
};

/** @throws LeadError EMAIL_INVALID */
export function requireEmail(value: string | undefined, field: string): void {
  if (value !== undefined && !EMAIL.test(value.trim())) refuse('EMAIL_INVALID', field, 'not an e-mail address');
}

/** @throws LeadError PHONE_INVALID */
export function requirePhone(value: string | undefined, field: string): void {
  if (value !== undefined && !E164.test(value.trim())) refuse('PHONE_INVALID', field, 'not an E.164 phone number');
}

/** @throws LeadError COUNTRY_INVALID */
export function requireCountry(value: string | undefined, field: string): void {
  if (value !== undefined && !COUNTRIES.has(value)) refuse('COUNTRY_INVALID', field, 'not an ISO 3166-1 alpha-2 code');
}
