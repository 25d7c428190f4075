import type { AccountFacts } from './account-facts.js';
import type { CommandBody } from './commands.js';
import { completenessOf } from './data-quality.js';
import { iso, pipelineOf, type Decision } from './decision.js';
import { LeadError } from './errors.js';
import { assessLinked, recordIcpFit } from './icp.js';
import type { Rules } from './rule.js';
import { findEvent } from './state.js';

/** Who a lead is, where it belongs and what it wants: facts in any state, for people and for scoring. */

export const profileRules: Rules<
  | 'VerifyContactPerson'
  | 'AssignPersona'
  | 'ChangeLeadType'
  | 'LinkAccount'
  | 'UnlinkAccount'
  | 'AssessIcpFit'
  | 'IdentifyGoal'
  | 'AssessIntent'
  | 'AnswerBuyingQuestions'
  | 'ObserveJourneyStage'
  | 'CheckDataQuality'
> = {
  VerifyContactPerson: {
    decide(decision, { isDecisionMaker, evidence, decisionMakerLeadId }) {
      const { leadId } = decision.lead;
      const contradicts = isDecisionMaker && decisionMakerLeadId !== undefined && decisionMakerLeadId !== leadId;
      if (contradicts) {
        const fields = [{ field: 'decisionMakerLeadId', rule: 'only when this person does not decide' }];
        throw new LeadError('VALIDATION_FAILED', 'one person decides', { fields });
      }
      decision.record('ContactPersonVerified', { isDecisionMaker, evidence, decisionMakerLeadId });
    },
  },

  AssignPersona: {
    decide(decision, { personaId, personaVersion, confidence }) {
      const { context, policyMs } = decision;
      const persona = context.policies.persona(personaId, policyMs);
      // Until the first persona is agreed on, a name of the organisation's own will do.
      const known = persona !== null || context.policies.personas(policyMs).length === 0;
      decision.guard(known, 'UNKNOWN_PERSONA', `no persona ${personaId} is in force`, { field: 'personaId' });
      decision.record('PersonaAssigned', {
        personaId,
        personaVersion: personaVersion ?? persona?.version ?? 1,
        confidence,
      });
    },
  },

  ChangeLeadType: {
    decide(decision, { to, reason }) {
      const { context, lead, policyMs } = decision;
      if (to === lead.leadType) return;
      // Its deal goes on by the other type's pipeline: it has to have the deal's stage.
      const { dealStages } = pipelineOf(context.policies, to, policyMs);
      const stage = lead.deal?.stage;
      decision.guard(
        stage === undefined || dealStages.some(({ code }) => code === stage),
        'UNKNOWN_DEAL_STAGE',
        `the pipeline of ${to} has no stage ${stage}`,
        { field: 'to', known: dealStages.map(({ code }) => code) },
      );
      decision.record('LeadTypeChanged', { from: lead.leadType, to, reason });
    },
  },

  LinkAccount: {
    decide(decision, { accountId, basis }) {
      if (decision.lead.accountId === accountId) return;
      linkAccount(decision, accountId, basis);
    },
  },

  UnlinkAccount: {
    offered: ({ accountId }) => accountId !== null,
    decide(decision, { basis }) {
      const { accountId } = decision.lead;
      if (accountId !== null) decision.record('UnlinkedFromAccount', { accountId, basis });
    },
  },

  AssessIcpFit: {
    decide(decision, { icpId }) {
      const { context, lead, policyMs } = decision;
      const icp = context.policies.icp(policyMs, icpId);
      if (icp === null && icpId !== undefined) {
        throw new LeadError('UNKNOWN_ICP', `no ideal customer profile ${icpId} is in force`, { field: 'icpId' });
      }
      if (icp === null) {
        throw new LeadError('NOT_READY', 'no ideal customer profile is in force', { missing: ['icp'] });
      }
      const account = lead.accountId === null ? null : requireAccount(decision, lead.accountId);
      recordIcpFit(decision, icp, account?.firmographics);
    },
  },

  IdentifyGoal: {
    decide(decision, { goal, challengeCode, interestedInBuying }) {
      decision.record('GoalIdentified', { goal, challengeCode, interestedInBuying });
    },
  },

  AssessIntent: {
    decide(decision, { level, channel, evidenceEventId }) {
      const known = evidenceEventId === undefined || findEvent(decision.lead, evidenceEventId) !== null;
      decision.guard(known, 'UNKNOWN_EVIDENCE', `no event ${evidenceEventId} in this lead`, {
        field: 'evidenceEventId',
      });
      decision.record('BuyingIntentAssessed', { level, channel, evidenceEventId });
    },
  },

  AnswerBuyingQuestions: {
    decide(decision, body) {
      const { productKnowledge, ourKnowledgeOfBusiness, visitFrequencyPer30d } = body;
      const { understandsValue, hasBudget, wantsProposal } = body;
      decision.record('BuyingQuestionsAnswered', {
        productKnowledge,
        ourKnowledgeOfBusiness,
        visitFrequencyPer30d,
        understandsValue,
        hasBudget,
        wantsProposal,
      });
    },
  },

  ObserveJourneyStage: {
    decide(decision, { stage, basis }) {
      decision.record('JourneyStageObserved', { stage, basis });
    },
  },

  CheckDataQuality: {
    decide(decision, { staleFields, verifiedAt }) {
      const { context, lead } = decision;
      const at = verifiedAt ?? iso(decision.atMs);
      if (Date.parse(at) > Math.max(context.nowMs, decision.atMs)) {
        throw new LeadError('OCCURRED_IN_FUTURE', `now is ${iso(context.nowMs)}`, { field: 'verifiedAt' });
      }
      decision.record('DataQualityChecked', { completeness: completenessOf(lead), staleFields, verifiedAt: at });
    },
  },
};

/**
 * The account that a body or the lead names. An import's rows are not looked up: null.
 * @throws LeadError UNKNOWN_ACCOUNT when there is none or it was merged into another
 */
export function requireAccount({ context, isImport }: Decision, accountId: string): AccountFacts | null {
  const { account } = context;
  if (account === undefined && isImport) return null;
  // Linked to another account between the reading of the two streams: to be decided anew.
  if (account !== undefined && account !== null && account.accountId !== accountId) {
    throw new LeadError('CONFLICT', 'the lead was linked to another account just now; send it again', {
      retryable: true,
    });
  }
  if (account === null || account === undefined || account.survivorId !== null) {
    const survivorId = account?.survivorId ?? undefined;
    const detail = survivorId === undefined ? `no account ${accountId}` : `${accountId} was merged into ${survivorId}`;
    throw new LeadError('UNKNOWN_ACCOUNT', detail, {
      field: 'accountId',
      ...(survivorId === undefined ? {} : { survivorId }),
    });
  }
  return account;
}

/** From one account to another, with how that one fits. */
export function linkAccount(decision: Decision, accountId: string, basis: CommandBody<'LinkAccount'>['basis']): void {
  const account = requireAccount(decision, accountId);
  const before = decision.lead.accountId;
  if (before !== null) decision.record('UnlinkedFromAccount', { accountId: before, basis });
  decision.record('LinkedToAccount', { accountId, basis });
  if (account !== null) assessLinked(decision, account.firmographics);
}
