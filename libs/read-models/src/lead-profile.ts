import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';

/** Where a lead belongs and how it fits: its account, persona and ICP result; and which of its details are known. */

/** Details whose presence the open fields of the stream tell; the others are sealed. */
export const KNOWN_FIELDS = ['email', 'phone', 'companyName', 'country', 'role', 'goal'] as const;
export type KnownField = (typeof KNOWN_FIELDS)[number];

export interface LeadProfile {
  account: string | null;
  persona: string | null;
  icpResult: 'pass' | 'fail' | 'unknown' | null;
  known: readonly KnownField[];
}

export const emptyProfile = (): LeadProfile => ({ account: null, persona: null, icpResult: null, known: [] });

/** True when the event changed it; as libs/lead folds the same events. */
export function evolveProfile(profile: LeadProfile, { data, type }: Pick<RecordedEvent, 'data' | 'type'>): boolean {
  switch (type) {
    case 'LeadCaptured':
      profile.account = (data as LeadEventData<'LeadCaptured'>).accountId ?? null;
      profile.known = capturedFields(data);
      return true;
    case 'LeadDetailsUpdated': {
      const { changes, scoredFields } = data as LeadEventData<'LeadDetailsUpdated'>;
      const cleared = scoredFields?.country === null ? 'country' : scoredFields?.emailKind === null ? 'email' : null;
      return know(
        profile,
        changes.map(({ field }) => field).filter((field) => field !== cleared),
        cleared,
      );
    }
    case 'RoleIdentified': {
      const known = (data as LeadEventData<'RoleIdentified'>).role !== 'unknown';
      return know(profile, known ? ['role'] : [], known ? null : 'role');
    }
    case 'GoalIdentified':
      return know(profile, ['goal'], null);
    case 'LinkedToAccount':
      profile.account = (data as LeadEventData<'LinkedToAccount'>).accountId;
      profile.icpResult = null;
      return true;
    case 'UnlinkedFromAccount':
      profile.account = null;
      profile.icpResult = null;
      return true;
    case 'PersonaAssigned':
      profile.persona = (data as LeadEventData<'PersonaAssigned'>).personaId;
      return true;
    case 'IcpFitAssessed':
      profile.icpResult = (data as LeadEventData<'IcpFitAssessed'>).result;
      return true;
    default:
      return false;
  }
}

function capturedFields(data: Partial<LeadEventData<'LeadCaptured'>>): KnownField[] {
  const { companyName, emailKind, identityKeys = [], location, role } = data;
  const has = (kind: string): boolean => identityKeys.some((key) => key.kind === kind);
  const told: Record<KnownField, boolean> = {
    email: emailKind !== undefined || has('email'),
    phone: has('phone'),
    companyName: (companyName ?? '') !== '',
    country: location?.country !== undefined,
    role: role !== undefined && role !== 'unknown',
    goal: false,
  };
  return KNOWN_FIELDS.filter((field) => told[field]);
}

/** True when it changes what is known. */
function know(profile: LeadProfile, fields: readonly string[], cleared: string | null): boolean {
  const known = KNOWN_FIELDS.filter(
    (field) => field !== cleared && (fields.includes(field) || profile.known.includes(field)),
  );
  if (known.length === profile.known.length && known.every((field) => profile.known.includes(field))) return false;
  profile.known = known;
  return true;
}

/** One letter a field: there is one of these for every lead. */
const LETTERS: Readonly<Record<KnownField, string>> = {
  email: 'e',
  phone: 'p',
  companyName: 'c',
  country: 'n',
  role: 'r',
  goal: 'g',
};

/** Nothing while nothing is known: many leads of a long history are so. */
export function packProfile({ account, icpResult, known, persona }: LeadProfile): (string | null)[] {
  const letters = known.map((field) => LETTERS[field]).join('');
  if (letters !== '') return [account, persona, icpResult, letters];
  return account === null && persona === null && icpResult === null ? [] : [account, persona, icpResult];
}

export const loadProfile = ([account = null, persona = null, icpResult = null, letters = null]: readonly (
  string | null
)[]): LeadProfile => ({
  account,
  persona,
  icpResult: icpResult as LeadProfile['icpResult'],
  known: letters === null ? [] : KNOWN_FIELDS.filter((field) => letters.includes(LETTERS[field])),
});
