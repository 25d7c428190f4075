import { describe, expect, it } from '@jest/globals';
import type { PipelineDocument } from '#libs/policy/src/documents.js';
import type { EngagementPolicyId } from '#libs/policy/src/engagement.js';
import type { CommandName } from './commands.js';
import { EUR, given, person, Scenario, ts, type Stage } from './given-when-then.js';

/** What each policy says of an approach that breaks it, and of one that does not. */

const CALL = { channel: 'phone', outcome: 'no_answer' };
const PITCH = { channel: 'phone', outcome: 'connected', intent: 'pitch' };
const PROPOSAL = { costIncluded: true, implementationSteps: true };
const GOAL = { goal: 'Fewer stops', challengeCode: 'downtime' };
const full = (kind: string, more: object = {}) =>
  ({
    trackId: 't', kind, steps: [{ step: 1, channel: 'email', oneToMany: false }],
    personaId: 'p', segmentId: 's', journeyStage: 'awareness', challengeCode: 'c', ...more,
  }) as PipelineDocument['tracks'][number]; // prettier-ignore

interface Case {
  readonly rule: string;
  readonly policy: EngagementPolicyId;
  readonly code: string;
  readonly stage: Stage;
  readonly tracks?: PipelineDocument['tracks'];
  readonly breaks: readonly [CommandName, object];
  /** Makes the same approach right. */
  readonly unless: (lead: Scenario) => unknown;
  readonly before?: (lead: Scenario) => unknown;
}

const CASES: readonly Case[] = [
  {
    rule: 'a proposal follows the goal and the interest',
    policy: 'EP-1',
    code: 'PITCH_BEFORE_GOAL',
    stage: 'OPPORTUNITY',
    breaks: ['SendProposal', PROPOSAL],
    // The interest was asked when the lead became an SQL.
    unless: (lead) => lead.do('IdentifyGoal', GOAL),
  },
  {
    rule: 'so does a pitch, and knowing the goal alone is not enough',
    policy: 'EP-1',
    code: 'PITCH_BEFORE_GOAL',
    stage: 'SAL',
    before: (lead) => lead.do('IdentifyGoal', GOAL),
    breaks: ['LogContactAttempt', PITCH],
    unless: (lead) => lead.do('AssessIntent', { level: 'high', channel: 'phone' }),
  },
  {
    rule: 'before MQL only education and problem-solution tracks are used',
    policy: 'EP-4',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'LEAD',
    tracks: [full('account')],
    breaks: ['EnrolInNurture', { trackId: 't' }],
    unless: (lead) => lead.underPipeline({ tracks: [full('education')] }),
  },
  {
    rule: 'nor is a touch of such a track sent',
    policy: 'EP-4',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'LEAD',
    tracks: [full('drip')],
    breaks: ['LogNurtureTouch', { trackId: 't' }],
    unless: (lead) => lead.do('MarkMQL', { reason: 'fits' }),
  },
  {
    rule: 'from PROSPECT on nobody is written to as one of many',
    policy: 'EP-5',
    code: 'CHANNEL_NOT_ALLOWED',
    stage: 'SAL',
    breaks: ['LogContactAttempt', { channel: 'email', outcome: 'sent', oneToOne: false }],
    unless: (lead) => lead.do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' }),
  },
  {
    rule: 'nor touched as one of many',
    policy: 'EP-5',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'PROSPECT',
    tracks: [full('education')],
    breaks: ['LogNurtureTouch', { trackId: 't' }],
    unless: (lead) => lead.do('VoidTransition', { eventId: lead.lead.latestTransition!.eventId, reason: 'x' }),
  },
  {
    rule: 'nor enrolled in a drip campaign',
    policy: 'EP-5',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'MQL',
    tracks: [full('drip', { steps: [] })],
    breaks: ['EnrolInNurture', { trackId: 't' }],
    unless: (lead) => lead.underPipeline({ tracks: [full('drip')] }),
  },
  {
    rule: 'a LEAD is not pitched to',
    policy: 'EP-6',
    code: 'PITCH_BEFORE_GOAL',
    stage: 'LEAD',
    breaks: ['LogContactAttempt', PITCH],
    unless: (lead) => lead.do('LogResponse', { channel: 'phone' }),
  },
  {
    rule: 'a proposal answers the challenge that the lead told',
    policy: 'EP-6',
    code: 'PROPOSAL_INCOMPLETE',
    stage: 'OPPORTUNITY',
    before: (lead) => lead.do('IdentifyGoal', GOAL),
    breaks: ['SendProposal', { ...PROPOSAL, challengesAddressed: ['costs'] }],
    unless: (lead) => lead.do('IdentifyGoal', { ...GOAL, challengeCode: 'costs' }),
  },
  {
    rule: 'a sequence goes to who decides',
    policy: 'EP-7',
    code: 'WRONG_CONTACT',
    stage: 'SAL',
    breaks: ['StartContactSequence', {}],
    unless: (lead) => lead.do('VerifyContactPerson', { isDecisionMaker: true, evidence: 'asked' }),
  },
  {
    rule: 'or to somebody who leads to who decides',
    policy: 'EP-7',
    code: 'WRONG_CONTACT',
    stage: 'SAL',
    // A check by a person outweighs the role.
    before: (lead) =>
      lead
        .do('IdentifyRole', { role: 'decision_maker' })
        .do('VerifyContactPerson', { isDecisionMaker: false, evidence: 'asked' }),
    breaks: ['StartContactSequence', {}],
    unless: (lead) =>
      lead.do('VerifyContactPerson', { isDecisionMaker: false, evidence: 'asked', decisionMakerLeadId: 'boss' }),
  },
  {
    rule: 'who does not answer is only tried again if it is the right person',
    policy: 'EP-7',
    code: 'WRONG_CONTACT',
    stage: 'SAL',
    before: (lead) => lead.do('LogContactAttempt', CALL),
    breaks: ['LogContactAttempt', CALL],
    unless: (lead) => lead.do('IdentifyRole', { role: 'decision_maker' }),
  },
  {
    rule: 'three attempts in seven days are enough',
    policy: 'EP-8',
    code: 'CONTACT_CAP_EXCEEDED',
    stage: 'SAL',
    before: (lead) => [1, 2, 3].forEach(() => lead.do('LogContactAttempt', CALL)),
    breaks: ['LogContactAttempt', CALL],
    unless: (lead) => lead.at('2026-03-09 10:00'),
  },
  {
    rule: 'a track says for whom it is',
    policy: 'EP-10',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'LEAD',
    tracks: [full('education', { challengeCode: undefined })],
    breaks: ['EnrolInNurture', { trackId: 't' }],
    unless: (lead) => lead.underPipeline({ tracks: [full('education')] }),
  },
  {
    rule: 'and is for this persona',
    policy: 'EP-10',
    code: 'TRACK_NOT_ALLOWED',
    stage: 'LEAD',
    tracks: [full('education')],
    before: (lead) => lead.do('AssignPersona', { personaId: 'other' }),
    breaks: ['EnrolInNurture', { trackId: 't' }],
    unless: (lead) => lead.do('AssignPersona', { personaId: 'p' }),
  },
  {
    rule: 'a recycled lead is left alone for a reason only',
    policy: 'EP-11',
    code: 'REASON_REQUIRED',
    stage: 'RECYCLED',
    before: (lead) => lead.do('EnrolInNurture', { trackId: 't' }),
    breaks: ['ExitNurture', {}],
    unless: (lead) => lead.do('MarkMQL', { reason: 'fits' }).do('EnrolInNurture', { trackId: 't' }),
  },
  {
    rule: 'who never asked for it is first assessed against the ICP',
    policy: 'EP-14',
    code: 'ICP_THRESHOLD_FAILED',
    stage: 'SAL',
    breaks: ['LogContactAttempt', CALL],
    unless: (lead) => lead.do('RecordBehaviour', { kind: 'demo_request' }),
  },
];

/** All policies but one are off, so that what is seen is its doing. */
const only = (policy: EngagementPolicyId, mode: 'off' | 'warn' | 'block'): Partial<PipelineDocument> => {
  const ids = Array.from({ length: 15 }, (_, i) => `EP-${i + 1}` as EngagementPolicyId);
  return { engagementPolicies: Object.fromEntries(ids.map((id) => [id, id === policy ? mode : 'off'])) };
};

const warningsOf = ({ latest }: Scenario) =>
  latest.flatMap(({ data }) => ('policyWarnings' in data ? (data.policyWarnings ?? []) : []));

describe.each(CASES)('$policy: $rule', ({ policy, code, stage, tracks = [], before, breaks, unless }) => {
  const prepared = (mode: 'off' | 'warn' | 'block') => {
    const lead = given(stage).underPipeline({ ...only(policy, 'off'), tracks });
    before?.(lead);
    return lead.underPipeline({ ...only(policy, mode), tracks });
  };
  const [name, body] = breaks;

  it('warns in the event, blocks with its code, or is off', () => {
    expect(warningsOf(prepared('warn').do(name, body))).toEqual([policy, code]);
    const refusal = prepared('block').refused(name, body);
    expect([refusal.code, refusal.facts.policy]).toEqual([code, policy]);
    expect(warningsOf(prepared('off').do(name, body))).toEqual([]);
  });

  it('does not mind what it asks for', () => {
    const lead = prepared('block');
    unless(lead);
    const allowed = lead.do(name, body);
    expect(allowed.latest.length).toBeGreaterThan(0);
    expect(warningsOf(allowed)).toEqual([]);
  });
});

describe('the policies', () => {
  it('warn where a pipeline says nothing', () => {
    const lead = given('SAL').do('LogContactAttempt', { ...PITCH, outcome: 'no_answer' });
    expect(lead.data('ContactAttempted').policyWarnings).toEqual([
      'EP-1',
      'PITCH_BEFORE_GOAL',
      'EP-14',
      'ICP_THRESHOLD_FAILED',
    ]);
    lead.do('LogContactAttempt', CALL);
    expect(lead.data('ContactAttempted').policyWarnings).toEqual(['EP-7', 'WRONG_CONTACT']);
  });

  it('cap a cycle at eight attempts, and count those that reach out only', () => {
    const lead = given('SAL').underPipeline(only('EP-8', 'block'));
    for (let i = 0; i < 8; i++)
      lead.at(`2026-03-${String(2 + 3 * i).padStart(2, '0')} 10:00`).do('LogContactAttempt', CALL);
    lead.do('LogContactAttempt', { channel: 'email', outcome: 'bounced' });
    lead.at('2026-04-20 10:00');
    expect(lead.refused('LogContactAttempt', CALL).code).toBe('CONTACT_CAP_EXCEEDED');
    lead
      .do('RecycleLead', { reasonCode: 'timing', nurtureTrackId: 't' })
      .do('MarkMQL', { reason: 'back' })
      .do('AcceptLead');
    expect(lead.do('LogContactAttempt', CALL).types()).toContain('ContactAttempted');
  });

  it('see the week an attempt falls into, in whichever order attempts are logged', () => {
    const lead = given('SAL').underPipeline(only('EP-8', 'block')).at('2026-03-09 10:00');
    for (const day of ['05', '07', '09'])
      lead.do('LogContactAttempt', { ...CALL, occurredAt: ts(`2026-03-${day} 10:00`) });
    expect(lead.refused('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-04 10:00') }).code).toBe(
      'CONTACT_CAP_EXCEEDED',
    );
    lead.do('LogContactAttempt', { ...CALL, occurredAt: ts('2026-03-02 10:00') });
    expect(lead.lead.attempts).toHaveLength(4);
  });

  it('are not asked about imported history', () => {
    const lead = new Scenario({ jobId: 'j', outOfOrder: 'refuse' });
    lead.do('CaptureLead', {}, person('ops')).underPipeline(only('EP-14', 'block'));
    expect(warningsOf(lead.do('LogContactAttempt', CALL, person('ops')))).toEqual([]);
  });

  it('follow the pipeline’s own caps', () => {
    const cap = { contactCap: { attempts: 1, days: 2, attemptsPerCycle: 2 } };
    const lead = given('SAL')
      .underPipeline({ ...only('EP-8', 'block'), ...cap })
      .do('LogContactAttempt', CALL);
    expect(lead.refused('LogContactAttempt', CALL).code).toBe('CONTACT_CAP_EXCEEDED');
    lead.at('2026-03-04 10:00').do('LogContactAttempt', CALL);
    expect(lead.at('2026-03-10 10:00').refused('LogContactAttempt', CALL).code).toBe('CONTACT_CAP_EXCEEDED');
  });

  it('leave a proposal alone that blocks for a graver reason', () => {
    const lead = given('OPPORTUNITY').underPipeline(only('EP-1', 'block'));
    expect(lead.refused('SendProposal', { amount: EUR(1) }).code).toBe('PROPOSAL_INCOMPLETE');
  });
});
