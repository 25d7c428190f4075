import type { DealStage } from '#libs/policy/src/documents.js';
import type { CommandBody } from './commands.js';
import { reengageLost } from './decide-nurture.js';
import { becomeSql, unrecorded } from './decide-qualification.js';
import { iso, stagesBetween, type Decision } from './decision.js';
import { engage } from './engagement-policies.js';
import { LeadError } from './errors.js';
import type { Rules } from './rule.js';
import { cycleSince, isSince, type Deal, type LeadState, type Money } from './state.js';
import type { LeadStateName } from './states.js';

/** The deal of an opportunity, from opening to won or lost (T11–T16). */

/** Where an imported row may jump from when it says only how the deal ended. */
const UNRECORDED_BEFORE: readonly LeadStateName[] = ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'SAL', 'SQL', 'RECYCLED'];

const hasDeal = ({ deal }: LeadState): boolean => deal !== null;

export const dealRules: Rules<
  | 'OpenOpportunity'
  | 'ChangeDealStage'
  | 'ChangeDealAmount'
  | 'VerifyDealValue'
  | 'ChangeCloseDate'
  | 'SendProposal'
  | 'RaiseObjection'
  | 'ResolveObjection'
  | 'ChangeDecisionMaker'
  | 'ReturnToQualification'
  | 'ResumeOpportunity'
  | 'WinDeal'
  | 'LoseDeal'
> = {
  OpenOpportunity: {
    from: ['SAL', 'SQL'],
    importFrom: ['SUBSCRIBER', 'LEAD', 'PROSPECT', 'MQL', 'RECYCLED'],
    transition: true,
    advances: true,
    stops: (decision) => (decision.state === 'SAL' ? [decision.clock('contact_cadence')] : []),
    decide(decision, body) {
      const { amount, expectedCloseDate, productLine, horizon } = body;
      // SAL → OPPORTUNITY is T9 and T11 in one command, not a skip (spec §3.3).
      if (decision.state === 'SAL' && !decision.isImport) becomeSql(decision, body);
      const { context, isImport, lead, pipeline, state } = decision;
      requireAmount(amount);
      const stage = body.dealStage === undefined ? stagesOf(decision)[0]! : stageOf(decision, body.dealStage);
      decision.guard(isImport || !inPast(decision, expectedCloseDate), 'CLOSE_DATE_IN_PAST', 'it should close ahead', {
        field: 'expectedCloseDate',
      });
      const discovered = lead.meetings.some(
        ({ kind, held }) => kind === 'discovery' && held?.successful === true && isSince(held, cycleSince(lead)),
      );
      decision.guard(
        pipeline.opportunityRule === 'deal_opened' || discovered,
        'DISCOVERY_NOT_HELD',
        'a successful discovery meeting comes first',
      );
      decision.guard(lead.deal === null, 'DEAL_ALREADY_OPEN', 'the lead has an open deal', {
        dealId: lead.deal?.dealId,
      });
      decision.move(
        'OpportunityOpened',
        'OPPORTUNITY',
        {
          dealId: context.newId('deal'),
          pipelineId: pipeline.pipelineId,
          pipelineVersion: pipeline.version,
          dealStage: stage.code,
          amount,
          expectedCloseDate,
          productLine,
          horizon,
        },
        unrecorded(decision, state, 'OPPORTUNITY'),
      );
    },
  },

  ChangeDealStage: {
    from: ['OPPORTUNITY'],
    transition: true,
    advances: true,
    decide(decision, { dealId, to, fields = {}, reason }) {
      const deal = openDeal(decision, dealId);
      const target = stageOf(decision, to);
      const stages = stagesOf(decision);
      const fromIndex = stages.findIndex(({ code }) => code === deal.stage);
      const toIndex = stages.indexOf(target);
      decision.guard(to !== deal.stage, 'UNKNOWN_DEAL_STAGE', `the deal is in ${to} already`, { field: 'to' });
      const direction = toIndex > fromIndex ? 'forward' : 'backward';
      const explained = (reason ?? '').trim() !== '';
      decision.guard(direction === 'forward' || explained, 'REASON_REQUIRED', 'going back says why', {
        field: 'reason',
      });
      const skipped = direction === 'forward' ? stages.slice(fromIndex + 1, toIndex).map(({ code }) => code) : [];
      decision.guard(
        skipped.length === 0 || decision.pipeline.allowForwardStageSkip || decision.isImport,
        'STAGE_SKIP_NOT_ALLOWED',
        `the pipeline asks for ${skipped.join(', ')} first`,
        { skippedStages: skipped },
      );
      const criteria = Object.entries(fields).flatMap(([field, value]) =>
        value === '' || value === false ? [] : field,
      );
      const missing = target.requiredFields.filter((field) => !criteria.includes(field));
      decision.guard(missing.length === 0, 'STAGE_CRITERIA_MISSING', `${to} asks for ${missing.join(', ')}`, {
        missing,
        fields: missing.map((field) => ({ field: `fields.${field}`, rule: `${to} asks for it` })),
      });
      decision.record('DealStageChanged', {
        dealId: deal.dealId,
        from: deal.stage,
        to,
        direction,
        skipped,
        criteria: criteria.length === 0 ? undefined : criteria,
        reason,
      });
    },
  },

  ChangeDealAmount: {
    offered: hasDeal,
    decide(decision, { dealId, amount, reason }) {
      const deal = openDeal(decision, dealId);
      requireAmount(amount, deal);
      decision.record('DealAmountChanged', { dealId: deal.dealId, old: deal.amount ?? amount, new: amount, reason });
    },
  },

  VerifyDealValue: {
    offered: hasDeal,
    decide(decision, { dealId, amount: given, evidence, verifiedBy = decision.personId }) {
      const deal = openDeal(decision, dealId);
      const amount = given ?? deal.amount;
      if (amount === null) throw amountInvalid('there is no amount to verify');
      requireAmount(amount, deal);
      decision.record('DealValueVerified', { dealId: deal.dealId, amount, verifiedBy, evidence });
    },
  },

  ChangeCloseDate: {
    offered: hasDeal,
    decide(decision, { dealId, expectedCloseDate, reason }) {
      const deal = openDeal(decision, dealId);
      decision.guard(
        decision.isImport || !inPast(decision, expectedCloseDate),
        'CLOSE_DATE_IN_PAST',
        'it should close ahead',
        {
          field: 'expectedCloseDate',
        },
      );
      const old = deal.expectedCloseDate ?? expectedCloseDate;
      decision.record('DealCloseDateChanged', { dealId: deal.dealId, old, new: expectedCloseDate, reason });
    },
  },

  SendProposal: {
    offered: hasDeal,
    decide(decision, body) {
      const deal = openDeal(decision, body.dealId);
      const { challengesAddressed, costIncluded, implementationSteps, expectedRoi } = body;
      decision.guard(
        costIncluded && implementationSteps,
        'PROPOSAL_INCOMPLETE',
        'a proposal says its cost and the steps to implement it',
        { missing: [...(costIncluded ? [] : ['cost']), ...(implementationSteps ? [] : ['implementationSteps'])] },
      );
      const amount = body.amount ?? deal.amount;
      if (amount === null) throw amountInvalid('a proposal has an amount');
      requireAmount(amount, deal);
      const policyWarnings = engage(decision, { does: 'proposal', challengesAddressed });
      decision.record('ProposalSent', {
        dealId: deal.dealId,
        proposalId: body.proposalId ?? decision.context.newId('proposal'),
        amount,
        challengesAddressed,
        costIncluded,
        implementationSteps,
        expectedRoi,
        policyWarnings,
      });
    },
  },

  RaiseObjection: {
    offered: hasDeal,
    decide(decision, { dealId, objectionId, code, note }) {
      const deal = openDeal(decision, dealId);
      const id = objectionId ?? decision.context.newId('objection');
      if (deal.openObjections.has(id)) return;
      decision.record('ObjectionRaised', { dealId: deal.dealId, objectionId: id, code, note });
    },
  },

  ResolveObjection: {
    offered: ({ deal }) => deal !== null && deal.openObjections.size > 0,
    decide(decision, { dealId, objectionId, how }) {
      const deal = openDeal(decision, dealId);
      decision.guard(deal.openObjections.has(objectionId), 'UNKNOWN_OBJECTION', 'no such open objection', {
        field: 'objectionId',
      });
      decision.record('ObjectionResolved', { dealId: deal.dealId, objectionId, how });
    },
  },

  ChangeDecisionMaker: {
    offered: hasDeal,
    decide(decision, { kind, dealId, previousLeadId, newLeadId }) {
      const deal = openDeal(decision, dealId);
      decision.record('DecisionMakerChanged', { dealId: deal.dealId, previousLeadId, newLeadId, kind });
      if (kind === 'left') returnWithoutDecisionMaker(decision, deal);
    },
  },

  ReturnToQualification: {
    from: ['OPPORTUNITY'],
    transition: true,
    advances: true,
    decide(decision, { dealId, reasonCode }) {
      const deal = openDeal(decision, dealId);
      decision.reason('return', reasonCode);
      decision.move('OpportunityReturnedToQualification', 'SQL', {
        dealId: deal.dealId,
        reasonCode,
        fromDealStage: deal.stage,
      });
    },
  },

  ResumeOpportunity: {
    from: ['SQL'],
    where: hasDeal,
    transition: true,
    advances: true,
    decide(decision, { dealId, dealStage }) {
      const deal = openDeal(decision, dealId);
      const { authority } = decision.lead.qualification;
      const reconfirmed =
        authority?.value === 'yes' &&
        authority.evidenced &&
        (deal.returned === null || isSince(authority, deal.returned));
      decision.guard(reconfirmed, 'QUALIFICATION_INCOMPLETE', 'authority is confirmed anew after a return', {
        missing: ['authority'],
      });
      const stage = dealStage === undefined ? deal.stage : stageOf(decision, dealStage).code;
      decision.move('OpportunityResumed', 'OPPORTUNITY', { dealId: deal.dealId, dealStage: stage });
    },
  },

  WinDeal: {
    from: ['OPPORTUNITY'],
    importFrom: UNRECORDED_BEFORE,
    transition: true,
    advances: true,
    decide(decision, { amount: given, dealId, fxRateToReporting }) {
      const { atMs, context, isImport, lead, state } = decision;
      const deal = lead.deal === null && isImport ? null : openDeal(decision, dealId);
      if (given !== undefined) requireAmount(given, deal ?? undefined);
      decision.guard(
        given !== undefined || deal?.verified === true,
        'AMOUNT_INVALID',
        'the amount is given or verified',
        {
          field: 'amount',
        },
      );
      const skips = unrecorded(decision, state, 'CUSTOMER');
      decision.move(
        'DealWon',
        'CUSTOMER',
        {
          dealId: deal?.dealId ?? dealId ?? context.newId('deal'),
          amount: given ?? deal?.amount ?? null,
          closedAt: iso(atMs),
          fxRateToReporting,
        },
        { ...skips, clocks: afterSale(decision) },
      );
    },
  },

  LoseDeal: {
    from: ['OPPORTUNITY', 'SQL'],
    where: hasDeal,
    importFrom: UNRECORDED_BEFORE,
    transition: true,
    decide(decision, { reasonCode, dealId, competitor, note }) {
      const { context, isImport, lead, state } = decision;
      const deal = lead.deal === null && isImport ? null : openDeal(decision, dealId);
      if (reasonCode === undefined)
        throw new LeadError('LOSS_REASON_REQUIRED', 'why was it lost?', { field: 'reasonCode' });
      decision.reason('loss', reasonCode, note);
      const skippedStages = deal === null ? stagesBetween(state, 'CUSTOMER') : [];
      decision.move(
        'DealLost',
        'LOST',
        {
          dealId: deal?.dealId ?? dealId ?? context.newId('deal'),
          amount: deal?.amount ?? null,
          reasonCode,
          competitor,
          lostFromDealStage: deal?.stage,
          nurtureTouches: lead.nurtureTouches,
          note,
        },
        {
          clocks: decision.cancel('lost'),
          ...(skippedStages.length === 0 ? {} : { skippedStages, skipRule: 'import_unrecorded' }),
        },
      );
      reengageLost(decision);
    },
  },
};

const DECISION_MAKER_LEFT = 'system:decisionMakerLeft';
/** EP-12: T13 by P:decisionMakerLeft where the pipeline says so; otherwise the recorded fact is the proposal. A hold keeps its stage. */
function returnWithoutDecisionMaker(decision: Decision, { dealId, stage }: Deal): void {
  const { isImport, lead, pipeline } = decision;
  const proposes = isImport || pipeline.decisionMakerLeft !== 'return';
  if (proposes || lead.state !== 'OPPORTUNITY' || lead.onHold !== null) return;
  const own = { dealId, reasonCode: 'decision_maker_left', fromDealStage: stage };
  decision.asPolicy(DECISION_MAKER_LEFT, Math.max(decision.atMs, lead.lastTransitionAtMs), () =>
    decision.move('OpportunityReturnedToQualification', 'SQL', own),
  );
}

const afterSale = (decision: Decision) =>
  decision.startClock('post_sale_followup', decision.atMs, decision.teamId, decision.lead.ownerId);

/** @throws LeadError UNKNOWN_DEAL */
function openDeal({ lead: { deal } }: Decision, dealId: string | undefined): Deal {
  if (deal !== null && (dealId === undefined || dealId === deal.dealId)) return deal;
  throw new LeadError('UNKNOWN_DEAL', 'the lead has no such open deal', { field: 'dealId', dealId: deal?.dealId });
}

const stagesOf = ({ pipeline }: Decision): DealStage[] => pipeline.dealStages.toSorted((a, b) => a.order - b.order);

/** @throws LeadError UNKNOWN_DEAL_STAGE */
function stageOf(decision: Decision, code: string): DealStage {
  const stages = stagesOf(decision);
  const stage = stages.find((candidate) => candidate.code === code);
  if (stage !== undefined) return stage;
  throw new LeadError('UNKNOWN_DEAL_STAGE', `${code} is no open stage of the pipeline`, {
    known: stages.map((known) => known.code),
  });
}

const amountInvalid = (detail: string) => new LeadError('AMOUNT_INVALID', detail, { field: 'amount' });

/** @throws LeadError AMOUNT_INVALID, CURRENCY_MISMATCH */
function requireAmount({ amountMinor, currency }: Money, deal?: Deal): void {
  if (amountMinor <= 0) throw amountInvalid('an amount is above zero');
  if (!/^[A-Z]{3}$/.test(currency)) throw amountInvalid('a currency is three capital letters (ISO 4217)');
  const agreed = deal?.amount?.currency ?? currency;
  if (agreed !== currency) {
    throw new LeadError('CURRENCY_MISMATCH', `the deal is in ${agreed}`, { field: 'amount.currency' });
  }
}

/** By the UTC day of the server's clock. */
const inPast = ({ context }: Decision, date: CommandBody<'ChangeCloseDate'>['expectedCloseDate']): boolean =>
  date < iso(context.nowMs).slice(0, 10);
