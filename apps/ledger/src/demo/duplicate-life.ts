import type { Life } from './act.js';
import { OPS, WEBSITE } from './company.js';
import type { Company, Person } from './people.js';
import type { Random } from './random.js';
import { DAY_MS, HOUR_MS, type World } from './world.js';

/** The same person once more: by the same mailbox the lead is touched anew, by another one it takes ops to see it (spec §2.5, §2.6). */
export function* duplicateLife(
  known: { readonly leadId: string; readonly phone: string; readonly person: Person; readonly company: Company },
  random: Random,
  world: World,
  startMs: number,
): Life {
  const { company, leadId, person, phone } = known;
  let atMs = startMs;
  const isRepeat = random.chance(0.4);
  const email = isRepeat ? person.email : person.email.replace('@', '.private@');
  const done = yield {
    atMs,
    act: {
      of: 'lead',
      name: 'CaptureLead',
      body: {
        person: { givenName: person.givenName, familyName: person.familyName, email, phone },
        location: { country: company.country },
        companyName: company.name,
        captureMethod: 'landing_page',
        interest: { kind: 'passive' },
        source: { channel: 'direct' },
        consents: [{ purpose: 'email_marketing', basis: 'consent', textVersion: '2' }],
      },
      by: WEBSITE,
    },
  };
  if (isRepeat || done.state === null || done.leadId === leadId) return;
  const twin = done.leadId;
  atMs = world.afterOffice('berlin', atMs, random.around(9));
  if (random.chance(0.2)) {
    yield {
      atMs,
      act: { of: 'lead', name: 'DismissDuplicate', leadId: twin, body: { candidateLeadId: leadId }, by: OPS },
    };
    return;
  }
  const merge = (survivor: string, duplicateLeadId: string) =>
    ({ of: 'lead', name: 'MergeLeads', leadId: survivor, body: { duplicateLeadId }, by: OPS }) as const;
  const merged = yield { atMs, act: merge(leadId, twin) };
  if (merged.refused !== null) {
    // The older one has left the funnel: the newer one goes on.
    yield { atMs: atMs + HOUR_MS, act: merge(twin, leadId) };
  } else if (random.chance(0.1)) {
    const body = { duplicateLeadId: twin, reason: 'Two sisters, not one person' };
    atMs = world.afterOffice('berlin', atMs + random.between(1, 9) * DAY_MS, 1);
    yield { atMs, act: { of: 'lead', name: 'UnmergeLeads', leadId, body, by: OPS } };
  }
}
