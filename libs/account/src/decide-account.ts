import { requireCountry } from '#libs/lead/src/contact-points.js';
import { pipelineOf } from '#libs/lead/src/decision.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { assessIcpFit, type Firmographics } from '#libs/policy/src/icp-fit.js';
import type { PolicyBook } from '#libs/policy/src/policy-book.js';
import { evolveAccount, type Account } from './account.js';
import type { AccountCommand } from './account-commands.js';
import type { AccountEvent, AccountEventData, AccountEventType } from './account-events.js';

export interface AccountContext {
  /** The server's clock. */
  readonly nowMs: number;
  readonly policies: PolicyBook;
  /** Of the lead or the account that the body names, as its own stream has it now; asked only by commands that name one. */
  readonly named?: 'there' | 'absent';
}

const FUTURE_TOLERANCE_MS = 300_000;
/** An account has no lead type: the pipeline of all that no other one names. */
const ANY_LEAD_TYPE = '';
const iso = (ms: number): string => new Date(ms).toISOString();

/**
 * The events a command brings about on an account, to be appended in one piece; empty when it changes nothing. Pure.
 * @throws LeadError ACCOUNT_EXISTS, ACCOUNT_NOT_FOUND, ACCOUNT_MERGED{survivorId}, OCCURRED_IN_FUTURE, COUNTRY_INVALID,
 *   VALIDATION_FAILED, UNKNOWN_ICP, NOT_READY, UNKNOWN_LEAD, UNKNOWN_ACCOUNT, UNKNOWN_TRACK, MERGE_SAME_ACCOUNT
 */
export function decideAccount(account: Account, command: AccountCommand, context: AccountContext): AccountEvent[] {
  const { accountId } = account;
  const atMs = occurredMs(command.body.occurredAt, context.nowMs, 'occurredAt');
  if (command.name === 'RegisterAccount') {
    if (account.exists) throw new LeadError('ACCOUNT_EXISTS', `there is an account ${accountId}`, { accountId });
  } else if (!account.exists) {
    throw accountNotFound(accountId);
  } else if (account.survivorId !== null) {
    const { survivorId } = account;
    throw new LeadError('ACCOUNT_MERGED', `${accountId} was merged into ${survivorId}`, { accountId, survivorId });
  }
  return decideOn(account, command, { ...context, occurredAt: iso(atMs) });
}

type Now = AccountContext & { readonly occurredAt: string };

function decideOn(account: Account, command: AccountCommand, now: Now): AccountEvent[] {
  const { occurredAt } = now;
  switch (command.name) {
    case 'RegisterAccount': {
      const { name, domains, industry, country } = command.body;
      requireCountry(country, 'country');
      return judged(
        account,
        now,
        event('AccountRegistered', { occurredAt, name, domains: unique(domains), industry, country }),
      );
    }
    case 'UpdateFirmographics': {
      const { industry, annualRevenue, employees, country, provider } = command.body;
      requireCountry(country, 'country');
      const told: Firmographics = { industry, annualRevenue, employees, country };
      if (Object.values(told).every((value) => value === undefined)) {
        const rule = 'at least one of industry, annualRevenue, employees, country';
        throw new LeadError('VALIDATION_FAILED', rule, { fields: [{ field: '', rule }] });
      }
      const updated = event('FirmographicsUpdated', {
        occurredAt,
        industry,
        annualRevenue,
        employees,
        country,
        provider,
      });
      return judged(account, now, updated);
    }
    case 'AssessAccountIcp': {
      const { icpId } = command.body;
      const assessed = icpAssessment(account, now, icpId);
      if (assessed !== null) return [assessed];
      if (icpId !== undefined) throw new LeadError('UNKNOWN_ICP', `no ICP ${icpId} is in force`, { field: 'icpId' });
      throw new LeadError('NOT_READY', 'no ideal customer profile is in force', { missing: ['icp'] });
    }
    case 'RecordBuyingRole': {
      const { leadId, role } = command.body;
      requireLead(now, leadId);
      return account.buyingRoles.get(leadId) === role
        ? []
        : [event('BuyingRoleRecorded', { occurredAt, leadId, role })];
    }
    case 'RecordDecisionMakerLeft': {
      const { leadId } = command.body;
      if (leadId !== undefined) requireLead(now, leadId);
      const at = command.body.at === undefined ? occurredAt : iso(occurredMs(command.body.at, now.nowMs, 'at'));
      return [event('DecisionMakerLeft', { occurredAt, leadId, at })];
    }
    case 'EnrolAccountInNurture': {
      const { trackId } = command.body;
      requireTrack(now, trackId);
      return account.nurtureTracks.includes(trackId)
        ? []
        : [event('AccountEnrolledInNurture', { occurredAt, trackId })];
    }
    case 'AddAccountResearch': {
      const { topic, text } = command.body;
      return [event('AccountResearchAdded', { occurredAt, topic, text })];
    }
    case 'MergeAccount': {
      const { survivorId } = command.body;
      if (survivorId === account.accountId)
        throw new LeadError('MERGE_SAME_ACCOUNT', 'an account is not merged into itself', { field: 'survivorId' });
      if (now.named !== 'there')
        throw new LeadError('UNKNOWN_ACCOUNT', `no account ${survivorId} to go on with`, { field: 'survivorId' });
      return [event('AccountMerged', { occurredAt, survivorId })];
    }
  }
}

/** A change and how the company fits after it, while an ICP is in force. */
function judged(account: Account, now: Now, change: AccountEvent): AccountEvent[] {
  const assessed = icpAssessment(evolveAccount(account, change), now);
  return assessed === null ? [change] : [change, assessed];
}

function icpAssessment({ firmographics }: Account, now: Now, icpId?: string): AccountEvent | null {
  const icp = now.policies.icp(now.nowMs, icpId);
  if (icp === null) return null;
  const { result, failures } = assessIcpFit(icp, firmographics);
  const { occurredAt } = now;
  const own = { icpId: icp.icpId, icpVersion: icp.version, result, failures: [...failures] };
  return event('AccountIcpAssessed', { occurredAt, ...own });
}

/** Once the organisation's own pipeline lists tracks, only those; before, any name will do. */
function requireTrack({ nowMs, policies }: AccountContext, trackId: string): void {
  const known = pipelineOf(policies, ANY_LEAD_TYPE, nowMs).tracks.map((track) => track.trackId);
  if (known.length === 0 || known.includes(trackId)) return;
  throw new LeadError('UNKNOWN_TRACK', `no track ${trackId}; there are ${known.join(', ')}`, {
    field: 'trackId',
    known,
  });
}

function requireLead({ named }: AccountContext, leadId: string): void {
  if (named !== 'there') throw new LeadError('UNKNOWN_LEAD', `no lead ${leadId}`, { field: 'leadId' });
}

/** @throws LeadError OCCURRED_IN_FUTURE */
export function occurredMs(given: string | undefined, nowMs: number, field: string): number {
  const atMs = given === undefined ? nowMs : Date.parse(given);
  if (atMs > nowMs + FUTURE_TOLERANCE_MS)
    throw new LeadError('OCCURRED_IN_FUTURE', `now is ${iso(nowMs)}`, { field, now: iso(nowMs) });
  return atMs;
}

export const accountNotFound = (accountId: string): LeadError =>
  new LeadError('ACCOUNT_NOT_FOUND', `there is no account ${accountId}`, { accountId });

const unique = (values: readonly string[]): string[] => [...new Set(values)];

/** Without the fields that are undefined: what is not so is not written. */
const event = <T extends AccountEventType>(type: T, data: AccountEventData<T>): AccountEvent =>
  ({ type, data: Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined)) }) as AccountEvent;
