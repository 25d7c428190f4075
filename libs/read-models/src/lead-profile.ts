import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { LeadEventData } from '#libs/lead/src/events.js';

/** Where a lead belongs and how it fits: its account, persona and ICP result. */

export interface LeadProfile {
  account: string | null;
  persona: string | null;
  icpResult: 'pass' | 'fail' | 'unknown' | null;
}

export const emptyProfile = (): LeadProfile => ({ account: null, persona: null, icpResult: null });

/** True when the event changed it; as libs/lead folds the same events. */
export function evolveProfile(profile: LeadProfile, { data, type }: Pick<RecordedEvent, 'data' | 'type'>): boolean {
  switch (type) {
    case 'LeadCaptured':
      profile.account = (data as LeadEventData<'LeadCaptured'>).accountId ?? null;
      return true;
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

/** Nothing while nothing is known: most leads of a long history are so. */
export const packProfile = ({ account, persona, icpResult }: LeadProfile): (string | null)[] =>
  account === null && persona === null && icpResult === null ? [] : [account, persona, icpResult];

export const loadProfile = ([account = null, persona = null, icpResult = null]: readonly (
  string | null
)[]): LeadProfile => ({ account, persona, icpResult: icpResult as LeadProfile['icpResult'] });
