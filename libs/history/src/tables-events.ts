import type { Column, Table } from './table.js';

/**
 * What happened, for anybody's SQL: funnel, visits, stage durations, acceptance, revenue (spec §7) can be worked out again from these
 * tables. Nothing of them is personal: staff and teams are their codes, free text is left out.
 */

const lead: Column = { name: 'lead', type: 'lead', about: 'The lead.' };
const revision: Column = { name: 'revision', type: 'u32', about: "Number of the event in the lead's stream, from 0." };
const recordedAt: Column = { name: 'recorded_at', type: 'instant', about: 'When the ledger took it: the axis of `knownAt`.' }; // prettier-ignore
const occurredAt: Column = { name: 'occurred_at', type: 'instant', about: 'When it happened: the axis of `asOf`.' };
const code = (name: string, about: string, dictionary = name): Column => ({ name, type: 'code', dictionary, about });
const type = code('type', 'Type of the event, as in the log.', 'event_type');
const state = (name: string, about: string): Column => code(name, about, 'state');
const owner = code('owner', 'Rep who owns the lead, as the event has it.');
const team = code('team', 'Team that owns the lead, as the event has it.');
const reason = code('reason', 'Reason code.');
const number = (name: string, type: Column['type'], about: string): Column => ({ name, type, about });

export const EVENTS: Table = {
  name: 'events',
  about: 'Every event of every lead, in the order of the log.',
  columns: [
    lead,
    revision,
    type,
    recordedAt,
    occurredAt,
    number('starts_command', 'u8', '1: the first event of its command; the others of one append follow it.'),
    number('imported', 'u8', '1: imported history (spec §9.3).'),
    code('actor_kind', 'Who did it: user, system or integration.'),
    code('actor_role', 'In which role.'),
    code('policy', "Which of the ledger's own policies did it, e.g. system:scoring; none: a person or another system."),
    number('refers_to', 'u32', 'Of TransitionVoided and OccurredAtCorrected: revision + 1 of the event that is corrected; else 0.'), // prettier-ignore
    number('corrected_at', 'instant', 'Of OccurredAtCorrected: when that event happened in truth.'),
  ],
};

export const TRANSITIONS: Table = {
  name: 'transitions',
  about:
    'Every entry into a state (spec §3.3), the capture included: a visit lasts until the next row of its lead. A row of TransitionVoided takes back the one it refers to and re-enters the state before.',
  columns: [
    lead,
    revision,
    type,
    recordedAt,
    occurredAt,
    state('from_state', 'State before; none: the capture.'),
    state('to_state', 'State entered; the same as before where only a dated fact was recorded.'),
    number('cycle_no', 'u16', 'Pass through qualification, from 1 (spec §3.2).'),
    number('visit_no', 'u16', 'Ordinal of the visit among those of the lead, 1: the capture.'),
    reason,
    code('skip_rule', 'Rule by which stages were skipped.'),
    code('skipped_stages', 'Stages left out, with a space between.'),
    owner,
    team,
    code('basis', 'Of a mark: marketing, product or service.'),
    code('mode', 'auto or manual, where the event says so.'),
    number('refers_to', 'u32', 'Of TransitionVoided: revision + 1 of the transition that is taken back; else 0.'),
  ],
};

export const HANDOFFS: Table = {
  name: 'handoffs',
  about: 'Offers of a lead to sales and what became of them (spec §7.5); an outcome belongs to the offer before it.',
  columns: [
    lead,
    revision,
    recordedAt,
    occurredAt,
    code('outcome', 'offered, accepted, implicit (accepted by skipping), rejected, withdrawn or cancelled.', 'handoff'),
    owner,
    team,
    code('agreement', 'Of an offer: the service agreement it is made under.'),
    number('agreement_version', 'u32', 'Of an offer: version of that agreement.'),
    reason,
  ],
};

export const DEALS: Table = {
  name: 'deals',
  about: 'Changes of deals, and their ends: won, lost, or closed by a recycling. A lead has one open deal at most.',
  columns: [
    lead,
    revision,
    type,
    recordedAt,
    occurredAt,
    number('deal_no', 'u32', 'Tells the deals of one lead apart; says nothing else. 0: none.'),
    code('deal_stage', 'Stage after it; of a loss or a return: before it.'),
    code('from_stage', 'Stage before, where it changed.', 'deal_stage'),
    number('amount_minor', 'f64', 'Amount after it, in minor units; none where the event has none.'),
    code('currency', 'ISO 4217.'),
    number('expected_close', 'instant', 'Expected close date after it, midnight UTC.'),
    number('closed_at', 'instant', 'Of a won deal: when it was closed.'),
    number('fx_rate', 'f64', 'Of a won deal: rate to the reporting currency.'),
    code('horizon', 'Of an opening: short or long.'),
    reason,
    owner,
    team,
  ],
};

export const CONTACTS: Table = {
  name: 'contacts',
  about: 'Attempts, answers, meetings, nurture touches and what followed the sale.',
  columns: [
    lead,
    revision,
    type,
    recordedAt,
    occurredAt,
    code('channel', 'Channel, or the kind of meeting.'),
    code('outcome', 'Outcome of an attempt or a meeting, sentiment of an answer.', 'contact_outcome'),
    code('intent', 'Of an attempt.'),
    number('qualifies', 'u8', '1: an attempt that satisfies the agreement (spec §6.8).'),
    number('step', 'u32', 'Step of the sequence or of the nurture track; 0: none.'),
  ],
};

export const LEADS: Table = {
  name: 'leads',
  about: 'Every lead as it was captured.',
  columns: [
    lead,
    recordedAt,
    number('captured_at', 'instant', 'When it was captured.'),
    state('initial_state', 'SUBSCRIBER or LEAD.'),
    code('source', "The organisation's own source code, else the channel."),
    code('channel', 'Class of the source.'),
    code('campaign', 'Campaign.'),
    code('country', 'ISO 3166.'),
    code('lead_type', 'Which pipeline it takes.'),
    code('capture_method', 'form, event, import …'),
    code('interest', 'passive, active or none.'),
    code('request', 'Of an active interest: demo, pricing, contact or other.'),
    code('owner', 'First owner.'),
    code('team', 'First team.'),
    number('imported', 'u8', '1: imported history.'),
  ],
};

export const MERGES: Table = {
  name: 'merges',
  about:
    'Leads that turned out to be one (spec §2.6): a lead with MergedInto and no later MergeReverted counts nowhere.',
  columns: [
    lead,
    revision,
    type,
    recordedAt,
    occurredAt,
    number(
      'other_lead',
      'lead',
      'The duplicate, in the stream of the survivor; the survivor, in that of the duplicate.',
    ),
    number('effective_captured_at', 'instant', 'Of DuplicateAbsorbed: since when the survivor counts as captured.'),
    number('is_duplicate', 'u8', '1: `lead` is the one that was merged away.'),
  ],
};

export const EVENT_TABLES = [EVENTS, TRANSITIONS, HANDOFFS, DEALS, CONTACTS, LEADS, MERGES] as const;
