import type { Table } from './table.js';

/** Promises about leads (spec §6) as rows, and the facts of a lead that start, pause and end them: what another agreement is judged by. */

/** Facts of one clock, then those of its lead. */
export const CLOCK_FACTS = [
  'started',
  'rebased',
  'warned',
  'breached',
  'escalated',
  'paused',
  'resumed',
  'stopped',
  'cancelled',
  'retracted',
  'reopened',
  'uncancelled',
  'held',
  'released',
  'deferred',
  'assigned',
  'handed_off',
  'moved',
  'voided',
  'unmerged',
  'contacted',
  'answered',
  'nurtured',
  'followed_up',
] as const;
export type ClockFact = (typeof CLOCK_FACTS)[number];

/** Names of dictionaries. */
export const CLOCK_FACT = 'clockFact';
export const CLOCK_TYPE = 'clockType';
export const AGREEMENT = 'agreement';
export const CALENDAR = 'calendar';
export const OWNER = 'owner';
export const TEAM = 'team';
export const CLOCK_DETAIL = 'clockDetail';

export const clockPromises: Table = {
  name: 'clock_promises',
  about: 'One row for each SLA clock as it was started, and one more for each time it was rebased.',
  columns: [
    { name: 'lead', type: 'lead', about: 'The lead it is a promise about.' },
    { name: 'revision', type: 'u32', about: "Place of the event in the lead's stream." },
    { name: 'fact', type: 'code', dictionary: CLOCK_FACT, about: 'started or rebased.' },
    { name: 'recorded_at', type: 'instant', about: 'When the ledger took it.' },
    { name: 'started_at', type: 'instant', about: 'When the promise begins; of a rebase: none unless that was corrected.' },
    { name: 'clock', type: 'f64', about: "Tells a lead's clocks apart; says nothing else." },
    { name: 'clock_type', type: 'code', dictionary: CLOCK_TYPE, about: 'Which promise (spec §6.1); none for a rebase.' },
    { name: 'agreement', type: 'code', dictionary: AGREEMENT, about: 'Service agreement it runs under.' },
    { name: 'agreement_version', type: 'u32', about: 'Version of that agreement.' },
    { name: 'calendar', type: 'code', dictionary: CALENDAR, about: 'Business calendar it is counted by.' },
    { name: 'calendar_version', type: 'u32', about: 'Version of that calendar.' },
    { name: 'target_open_s', type: 'u32', about: 'Seconds of open time promised.' },
    { name: 'due_at', type: 'instant', about: 'When it falls due.' },
    { name: 'owner', type: 'code', dictionary: OWNER, about: 'Who is to keep it; none: the team.' },
    { name: 'team', type: 'code', dictionary: TEAM, about: 'Whose promise it is.' },
  ],
}; // prettier-ignore

export const clockFacts: Table = {
  name: 'clock_facts',
  about: 'One row for each fact that changes an SLA clock, and for each fact of a lead that may start, pause or end one.',
  columns: [
    { name: 'lead', type: 'lead', about: 'The lead.' },
    { name: 'revision', type: 'u32', about: "Place of the event in the lead's stream." },
    { name: 'fact', type: 'code', dictionary: CLOCK_FACT, about: 'warned, breached, escalated, paused, resumed, stopped, cancelled, retracted, reopened, uncancelled of a clock; held, released, deferred, assigned, handed_off, moved, voided, unmerged, contacted, answered, nurtured, followed_up of the lead.' },
    { name: 'recorded_at', type: 'instant', about: 'When the ledger took it.' },
    { name: 'occurred_at', type: 'instant', about: 'When it happened; stopped: when the fact did that stopped it.' },
    { name: 'clock', type: 'f64', about: 'As in clock_promises; 0: a fact of the lead.' },
    { name: 'limit_at', type: 'instant', about: 'breached and resumed: the due instant; paused and deferred: until when, if that is known.' },
    { name: 'owner', type: 'code', dictionary: OWNER, about: 'breached: who had to keep it; assigned, handed_off, moved: whose the lead is then.' },
    { name: 'team', type: 'code', dictionary: TEAM, about: 'As owner, the team.' },
    { name: 'detail', type: 'code', dictionary: CLOCK_DETAIL, about: 'stopped: met, late or evidence_too_late; cancelled and retracted: the reason; breached: who noticed; moved: the type of event; contacted: connected or attempted.' },
    { name: 'evidence', type: 'u32', about: "Tells apart the facts that stop clocks and take breaches back; says nothing else." },
    { name: 'flags', type: 'u8', about: 'retracted: 1 when somebody approved it; moved: 1 when that move accepted an open offer by itself, 4 when it skipped acceptance, 8 when it left the funnel; any: 2 when it was imported.' },
  ],
}; // prettier-ignore

export const FLAGS = { approved: 1, implicitAcceptance: 1, imported: 2, skipped: 4, leaves: 8 } as const;
