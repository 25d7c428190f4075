import { ENGAGEMENT_POLICIES, type EngagementPolicyId, type TrackKind } from '#libs/policy/src/engagement.js';
import type { Pipeline } from '#libs/policy/src/documents.js';
import { handRaisesOf } from './absorption.js';
import type { Decision } from './decision.js';
import { LeadError, type LeadErrorCode } from './errors.js';
import type { LeadEventData } from './events.js';
import { cycleSince, since, type LeadState } from './state.js';
import { RANK } from './states.js';

/**
 * Advice made enforceable (spec §3.9): per pipeline each policy is off, warns in the event's `policyWarnings`, or blocks with its
 * code. Not here: EP-2 and EP-9 hold by construction (a title never sets the role; the level is derived, `follow-up.ts`), EP-3 and
 * EP-12 are the account's, EP-13 and EP-15 concern reports and reviews. History is not judged by them.
 */

/** What is about to be done to a person, as far as a policy cares. */
export type Approach =
  | {
      readonly does: 'attempt';
      readonly intent: LeadEventData<'ContactAttempted'>['intent'];
      readonly oneToOne: boolean;
      readonly qualifies: boolean;
      readonly sequenceStep?: number;
      readonly atMs: number;
    }
  | { readonly does: 'proposal'; readonly challengesAddressed: readonly string[] }
  | { readonly does: 'sequence' }
  | { readonly does: 'enrol'; readonly track: ApproachTrack }
  | { readonly does: 'touch'; readonly kind: TrackKind; readonly oneToMany: boolean }
  | { readonly does: 'exit'; readonly explained: boolean };

export interface ApproachTrack {
  readonly kind: TrackKind;
  readonly oneToMany: boolean;
  readonly personaId?: string;
  readonly segmentId?: string;
  readonly journeyStage?: string;
  readonly challengeCode?: string;
}

interface EngagementPolicy {
  readonly code: (approach: Approach) => LeadErrorCode;
  readonly detail: string;
  readonly broken: (approach: Approach, lead: LeadState, pipeline: Pipeline) => boolean;
}

const DAY_MS = 86_400_000;
const BEFORE_MQL: ReadonlySet<string> = new Set(['SUBSCRIBER', 'LEAD', 'PROSPECT']);
const always = (code: LeadErrorCode) => () => code;

const POLICIES: Readonly<Partial<Record<EngagementPolicyId, EngagementPolicy>>> = {
  'EP-1': {
    code: always('PITCH_BEFORE_GOAL'),
    detail: 'learn the goal and assess the interest before you pitch',
    broken: (approach, lead) => isPitch(approach) && !(lead.goal !== null && interestIsAssessed(lead)),
  },
  'EP-4': {
    code: always('TRACK_NOT_ALLOWED'),
    detail: 'before MQL a lead is educated and shown solutions of its problem',
    broken: (approach, { state }) => {
      const kind = approach.does === 'enrol' ? approach.track.kind : approach.does === 'touch' ? approach.kind : null;
      return kind !== null && BEFORE_MQL.has(state ?? '') && kind !== 'education' && kind !== 'problem_solution';
    },
  },
  'EP-5': {
    code: ({ does }) => (does === 'attempt' ? 'CHANNEL_NOT_ALLOWED' : 'TRACK_NOT_ALLOWED'),
    detail: 'from PROSPECT on a person is spoken to alone',
    broken: (approach, { state }) => {
      if (state === null || RANK[state] < RANK.PROSPECT) return false;
      if (approach.does === 'attempt') return !approach.oneToOne;
      if (approach.does === 'touch') return approach.oneToMany;
      return approach.does === 'enrol' && approach.track.oneToMany;
    },
  },
  'EP-6': {
    code: ({ does }) => (does === 'proposal' ? 'PROPOSAL_INCOMPLETE' : 'PITCH_BEFORE_GOAL'),
    detail: 'a lead is asked for its challenge and not closed; a proposal answers the challenge that was told',
    broken: (approach, { goal, state }) => {
      if (approach.does === 'proposal')
        return goal !== null && !approach.challengesAddressed.includes(goal.challengeCode);
      return approach.does === 'attempt' && isPitch(approach) && RANK[state ?? 'LEAD'] <= RANK.LEAD;
    },
  },
  'EP-7': {
    code: always('WRONG_CONTACT'),
    detail: 'make sure who decides before you persist',
    broken: (approach, lead) => isPersistent(approach, lead) && !leadsToDecisionMaker(lead),
  },
  'EP-8': {
    code: always('CONTACT_CAP_EXCEEDED'),
    detail: 'the person has been tried often enough',
    broken: (approach, lead, { contactCap }) => {
      if (approach.does !== 'attempt' || !approach.qualifies) return false;
      const made = attemptsOfCycle(lead);
      const inWindow = mostWithin(made, approach.atMs, contactCap.days);
      return made.length >= contactCap.attemptsPerCycle || inWindow > contactCap.attempts;
    },
  },
  'EP-10': {
    code: always('TRACK_NOT_ALLOWED'),
    detail: 'a track says for which persona, segment, journey stage and challenge it is, and the persona is the lead’s',
    broken: (approach, { personaId: own }) => {
      if (approach.does !== 'enrol') return false;
      const { challengeCode, journeyStage, personaId, segmentId } = approach.track;
      const declared = [challengeCode, journeyStage, personaId, segmentId].every((said) => said !== undefined);
      return !declared || (own !== null && personaId !== own);
    },
  },
  'EP-11': {
    code: always('REASON_REQUIRED'),
    detail: 'a lead that was lost or recycled is left alone for a reason only',
    broken: (approach, { state }) =>
      approach.does === 'exit' && !approach.explained && (state === 'LOST' || state === 'RECYCLED'),
  },
  'EP-14': {
    code: always('ICP_THRESHOLD_FAILED'),
    detail: 'whom nobody knows is assessed against the ideal customer profile before the first contact',
    broken: (approach, lead) => approach.does === 'attempt' && isFirstApproach(lead) && lead.icpFit?.result !== 'pass',
  },
};

/**
 * What the pipeline's policies say of an approach: for `policyWarnings`, each broken one with the code it would block with;
 * undefined: nothing.
 * @throws LeadError the code of the first broken policy that blocks, with `policy`
 */
export function engage(decision: Decision, approach: Approach): string[] | undefined {
  const { isImport, lead, pipeline } = decision;
  if (isImport) return undefined;
  const warnings: string[] = [];
  for (const id of ENGAGEMENT_POLICIES) {
    const policy = POLICIES[id];
    const mode = policyMode(pipeline, id);
    if (policy === undefined || mode === 'off' || !policy.broken(approach, lead, pipeline)) continue;
    const code = policy.code(approach);
    if (mode === 'block') throw new LeadError(code, policy.detail, { policy: id });
    warnings.push(id, code);
  }
  return warnings.length === 0 ? undefined : [...new Set(warnings)];
}

export const policyMode = ({ engagementPolicies }: Pipeline, id: EngagementPolicyId) =>
  engagementPolicies[id] ?? 'warn';

const isPitch = (approach: Approach): boolean =>
  approach.does === 'proposal' || (approach.does === 'attempt' && approach.intent === 'pitch');

const interestIsAssessed = ({ buyingIntent, goal, qualification }: LeadState): boolean =>
  buyingIntent !== null ||
  (goal !== null && goal.interestedInBuying !== 'unknown') ||
  (qualification.interest !== undefined && qualification.interest.value !== 'unknown');

const attemptsOfCycle = (lead: LeadState) =>
  since(lead.attempts, cycleSince(lead)).filter(({ qualifies }) => qualifies);

/** A started sequence, a step of one, and whatever follows an attempt that nobody answered. */
function isPersistent(approach: Approach, lead: LeadState): boolean {
  if (approach.does === 'sequence') return true;
  if (approach.does !== 'attempt') return false;
  const unanswered = attemptsOfCycle(lead).length > 0 && since(lead.responses, cycleSince(lead)).length === 0;
  return approach.sequenceStep !== undefined || unanswered;
}

/** Somebody made sure that this person decides, or of a lead who does; without a check, by the role. */
function leadsToDecisionMaker({ contactPerson, role }: LeadState): boolean {
  if (contactPerson === null) return role === 'decision_maker';
  return contactPerson.isDecisionMaker || contactPerson.decisionMakerLeadId !== null;
}

/** Nobody has approached this person before, and it has not asked us to. */
const isFirstApproach = (lead: LeadState): boolean =>
  lead.attempts.length === 0 && lead.responses.length === 0 && handRaisesOf(lead).length === 0;

/** The most attempts, this one among them, that any window of so many days holds: attempts are logged in any order. */
function mostWithin(made: readonly { readonly atMs: number }[], atMs: number, days: number): number {
  const instants = [...made.map((attempt) => attempt.atMs), atMs].sort((a, b) => a - b);
  return Math.max(
    ...instants
      .filter((from) => from <= atMs && atMs < from + days * DAY_MS)
      .map((from) => instants.filter((instant) => instant >= from && instant < from + days * DAY_MS).length),
  );
}
