import { consentsOf } from './absorption.js';
import type { CommandBody } from './commands.js';
import { requireCampaign } from './campaign-reference.js';
import { requireCountry, requireEmail, requirePhone } from './contact-points.js';
import { linkAccount, requireAccount } from './decide-profile.js';
import { defined, type Decision } from './decision.js';
import { promoteSubscriber } from './automatic-transitions.js';
import { LeadError } from './errors.js';
import { assessLinked } from './icp.js';
import { consent } from './events.js';
import type { LeadEventData } from './events.js';
import { emailKindOf } from './mailbox.js';
import { CAPACITY_EXCEEDED, isFull } from './routing.js';
import type { Rules } from './rule.js';

/** How a lead comes in, who it is, whose it is. Merging will stand beside this file. */

type Purpose = LeadEventData<'ConsentGranted'>['purpose'];

/** @throws LeadError CONSENT_INVALID */
export function knownPurpose(purpose: string, field: string): Purpose {
  const known = consent.shape.purpose.safeParse(purpose);
  if (known.success) return known.data;
  throw new LeadError('CONSENT_INVALID', `${purpose} is no purpose of consent`, { field });
}

const CONTACT_POINTS = ['email', 'phone', 'postalAddress'] as const;
/** Field of a lead → where a capture gives it. */
const DETAIL_FIELDS: ReadonlySet<string> = new Set([
  'givenName',
  'familyName',
  'email',
  'phone',
  'postalAddress',
  'birthYear',
  'gender',
  'jobTitle',
  'country',
  'region',
  'city',
  'timeZone',
  'companyName',
  /** `competitor`, `student` or a code of the organisation's own, for the fit rules of scoring. */
  'segment',
]);
/** Facts of the capture, or changed by a command of their own. */
const IMMUTABLE_FIELDS: ReadonlySet<string> = new Set([
  'leadId',
  'leadType',
  'personaId',
  'role',
  'source',
  'captureMethod',
  'interest',
  'initialStage',
  'accountId',
  'ownerId',
  'teamId',
  'consents',
  'externalIds',
]);

export const captureRules: Rules<
  'CaptureLead' | 'UpdateLeadDetails' | 'IdentifyRole' | 'AssignOwner' | 'SuspectDuplicate'
> = {
  CaptureLead: {
    decide(decision, body) {
      requireEmail(body.person?.email, 'person.email');
      requirePhone(body.person?.phone, 'person.phone');
      requireCountry(body.location?.country, 'location.country');
      requireCampaign(decision, body.source?.campaignId, 'source.campaignId');
      const consents = body.consents.map((given, i) => ({
        ...given,
        purpose: knownPurpose(given.purpose, `consents.${i}.purpose`),
      }));
      if (decision.lead.state === null) captureFirst(decision, body, consents);
      else captureAgain(decision, body, consents);
    },
  },

  UpdateLeadDetails: {
    decide(decision, { changes, kind, provider, verified }) {
      const { details } = decision.lead;
      for (const [field, value] of Object.entries(changes)) requireDetail(field, value);
      const effective = Object.entries(changes).filter(([field, value]) => (details[field] ?? null) !== value);
      if (effective.length === 0) return;
      const left: Record<string, unknown> = { ...details, ...changes };
      const hadOne = CONTACT_POINTS.some((field) => details[field] !== undefined);
      const hasOne = CONTACT_POINTS.some((field) => (left[field] ?? null) !== null);
      decision.guard(!hadOne || hasOne, 'CONTACT_POINT_REQUIRED', 'a lead keeps at least one contact point');
      decision.record('LeadDetailsUpdated', {
        changes: effective.map(([field, value]) => ({ field, old: details[field] ?? null, new: value })),
        kind,
        provider,
        verified,
        scoredFields: scoredFieldsOf(Object.fromEntries(effective)),
      });
    },
  },

  IdentifyRole: {
    decide(decision, { role, jobTitle, provider, confidence }) {
      decision.record('RoleIdentified', { role, jobTitle, provider, confidence });
    },
  },

  AssignOwner: {
    decide(decision, { ownerId, teamId: asked, reason }) {
      const { context, lead } = decision;
      const rep = context.policies.rep(ownerId);
      // People are configured where capacity matters; an owner nobody configured is a name of the organisation's own.
      decision.guard(rep === null || rep.active, 'UNKNOWN_REP', `${ownerId} has left`, { field: 'ownerId' });
      const teamId = asked ?? rep?.teamId ?? decision.teamId;
      decision.guard(context.policies.team(teamId) !== null, 'UNKNOWN_TEAM', `no team ${teamId}`, { field: 'teamId' });
      decision.guard(rep === null || rep.teamId === teamId, 'NOT_IN_TEAM', `${ownerId} is not in team ${teamId}`, {
        field: 'teamId',
      });
      if (lead.ownerId === ownerId && lead.teamId === teamId) return;
      const desk = context.routing;
      const isOver = rep !== null && desk !== undefined && isFull(rep, desk, context.nowMs);
      decision.record('OwnerAssigned', {
        ownerId,
        previousOwnerId: lead.ownerId ?? undefined,
        teamId,
        reason,
        policyWarnings: isOver ? [CAPACITY_EXCEEDED] : undefined,
      });
    },
  },

  SuspectDuplicate: {
    decide(decision, { candidateLeadId, score, basis }) {
      // Told apart by a person once, they stay apart.
      if (decision.lead.duplicates.get(candidateLeadId) === 'dismissed') return;
      decision.record('DuplicateSuspected', { candidateLeadId, score, basis });
    },
  },
};

type Capture = CommandBody<'CaptureLead'>;
type Consents = LeadEventData<'LeadCaptured'>['consents'];

/** T1. */
function captureFirst(decision: Decision, body: Capture, consents: Consents): void {
  const { person, interest, source = {} } = body;
  const reachable = CONTACT_POINTS.some((field) => (person?.[field] ?? '').trim() !== '');
  decision.guard(reachable, 'CONTACT_POINT_REQUIRED', 'e-mail, phone or postal address of the person is needed', {
    field: 'person',
  });
  decision.guard(source.channel !== undefined, 'SOURCE_REQUIRED', 'source.channel: where did the lead come from?', {
    field: 'source.channel',
  });
  decision.guard(
    consents.length > 0,
    'LEGAL_BASIS_REQUIRED',
    'consents: name at least one purpose and its legal basis',
    {
      field: 'consents',
    },
  );
  const account = body.accountId === undefined ? null : requireAccount(decision, body.accountId);
  const initialStage = body.initialStage ?? (interest.kind === 'none' ? 'subscriber' : 'lead');
  decision.lead = { ...decision.lead, leadType: body.leadType };
  decision.move(
    'LeadCaptured',
    initialStage === 'lead' ? 'LEAD' : 'SUBSCRIBER',
    {
      initialStage,
      // Hashed with the ledger's key, so filled in by who holds it.
      identityKeys: [],
      person,
      jobTitle: body.jobTitle,
      role: body.role,
      location: body.location,
      timeZone: body.timeZone,
      companyName: body.companyName,
      accountId: body.accountId,
      emailKind: emailKindOf(person?.email),
      leadType: body.leadType,
      captureMethod: body.captureMethod,
      interest,
      source,
      consents,
      externalIds: body.externalIds,
      importJobId: decision.context.import?.jobId,
    },
    { ownerId: body.ownerId ?? null, teamId: body.teamId ?? null },
  );
  if (account !== null) assessLinked(decision, account.firmographics);
  recordRequest(decision, body);
}

/** The same person again: a new touch, never a second lead (spec §2.5). */
function captureAgain(decision: Decision, body: Capture, consents: Consents): void {
  decision.guard(body.onDuplicate === 'attach', 'DUPLICATE_LEAD', 'this person is a lead already', {
    existingLeadId: decision.lead.leadId,
  });
  const { person, location, jobTitle, timeZone, companyName, interest, captureMethod, source = {} } = body;
  const given = defined({ ...person, jobTitle, ...location, timeZone, companyName });
  const { details } = decision.lead;
  const newFields = Object.entries(given).filter(([field]) => details[field] === undefined);
  const eventId = decision.record('CaptureRepeated', {
    source,
    captureMethod,
    interest,
    formId: source.formId,
    newFields: newFields.length === 0 ? undefined : Object.fromEntries(newFields),
    scoredFields: scoredFieldsOf(Object.fromEntries(newFields)),
  });
  for (const { purpose, basis, textVersion } of consents) {
    if (consentsOf(decision.lead).get(purpose) === 'granted') continue;
    decision.record('ConsentGranted', { purpose, basis, textVersion });
  }
  // What the form says of the company does not outweigh what is known already.
  if (body.accountId !== undefined && decision.lead.accountId === null)
    linkAccount(decision, body.accountId, 'enrichment');
  recordRequest(decision, body);
  if (interest.kind !== 'none') promoteSubscriber(decision, eventId);
}

const REQUEST_BEHAVIOUR = {
  demo: 'demo_request',
  pricing: 'pricing_request',
  contact: 'contact_sales_request',
  other: 'contact_sales_request',
} as const;

/** An active request is a behaviour too: a hand-raise (spec §4.4). */
function recordRequest(decision: Decision, { interest, source }: Capture): void {
  if (interest.kind !== 'active') return;
  decision.record('BehaviourRecorded', {
    behaviourId: decision.context.newId('request'),
    kind: REQUEST_BEHAVIOUR[interest.request ?? 'other'],
    campaignId: source?.campaignId,
    count: 1,
  });
}

/** The plain copy of what scoring reads of changed details; undefined: it reads none of them. */
function scoredFieldsOf(
  changed: Readonly<Record<string, string | number | null | undefined>>,
): LeadEventData<'LeadDetailsUpdated'>['scoredFields'] {
  const fields: Record<string, string | null> = {};
  for (const field of ['country', 'region', 'segment'] as const) {
    const value = changed[field];
    if (value !== undefined) fields[field] = value === null ? null : String(value);
  }
  if (changed.email !== undefined) fields.emailKind = emailKindOf(changed.email) ?? null;
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function requireDetail(field: string, value: string | number | null): void {
  if (IMMUTABLE_FIELDS.has(field)) {
    throw new LeadError('FIELD_IMMUTABLE', `${field} is not changed this way`, { field: `changes.${field}` });
  }
  const wrongType = value !== null && (field === 'birthYear') !== (typeof value === 'number');
  if (!DETAIL_FIELDS.has(field) || wrongType) {
    const rule = wrongType ? 'wrong type' : 'unknown field';
    throw new LeadError('VALIDATION_FAILED', `changes.${field}: ${rule}`, {
      fields: [{ field: `changes.${field}`, rule }],
    });
  }
  if (typeof value !== 'string') return;
  if (field === 'email') requireEmail(value, 'changes.email');
  if (field === 'phone') requirePhone(value, 'changes.phone');
  if (field === 'country') requireCountry(value, 'changes.country');
}
