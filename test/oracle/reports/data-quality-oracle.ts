import { RANK, type LeadStateName } from '#libs/lead/src/states.js';
import { DAY } from './lead-histories.js';
import type { Item, Oracle } from './oracle.js';
import { distinct, halfUp, rated } from './plain-figures.js';
import { data, type OracleLead, type OracleVisit } from './told-leads.js';

/** 7.26, of the open leads as they are now: fields filled of those required, verified in 90 days, bounced of contacted. */

const AT_REST: ReadonlySet<LeadStateName> = new Set(['CUSTOMER', 'LOST', 'DISQUALIFIED', 'JUNK', 'MERGED']);
const FIELDS = ['email', 'phone', 'companyName', 'country', 'role', 'account', 'goal'] as const;

/** Filled by the time of the last event. */
function filledOf(lead: OracleLead): Set<string> {
  const filled = new Set<string>();
  const set = (field: string, is: boolean): unknown => (is ? filled.add(field) : filled.delete(field));
  for (const e of lead.events) {
    const told = data(e);
    switch (e.type) {
      case 'LeadCaptured': {
        const has = (kind: string) => told.identityKeys?.some((key: { kind: string }) => key.kind === kind) === true;
        set('email', told.emailKind !== undefined || has('email'));
        set('phone', has('phone'));
        set('companyName', Boolean(told.companyName));
        set('country', told.location?.country !== undefined);
        set('role', (told.role ?? 'unknown') !== 'unknown');
        set('account', told.accountId !== undefined);
        break;
      }
      case 'LeadDetailsUpdated':
        for (const { field } of told.changes) set(field, true);
        break;
      case 'RoleIdentified':
        set('role', told.role !== 'unknown');
        break;
      case 'GoalIdentified':
        set('goal', true);
        break;
      case 'LinkedToAccount':
        set('account', true);
        break;
      case 'UnlinkedFromAccount':
        set('account', false);
        break;
      default:
    }
  }
  return filled;
}

export const dataQualityOracle: Oracle = {
  items: (leads, { asOfMs }) =>
    leads.flatMap((lead) => {
      const { state } = lead.visits.at(-1) as OracleVisit;
      if (AT_REST.has(state)) return [];
      const of = (counts: (type: string) => boolean) => lead.events.filter(({ type }) => counts(type));
      const voided = new Set(lead.events.map((e) => data(e).voidedEventId));
      const answered = of((type) => type === 'BecameProspect').some(({ id }) => !voided.has(id));
      const filled = filledOf(lead);
      const asked = FIELDS.filter((field) => field !== 'goal' || answered || RANK[state] >= RANK.PROSPECT);
      const bounced = lead.events.some((e) => data(e).kind === 'bounce' || data(e).outcome === 'bounced');
      const verified = of((type) =>
        ['LeadDetailsUpdated', 'DataQualityChecked', 'ContactPersonVerified'].includes(type),
      )
        .filter((e) => e.type !== 'LeadDetailsUpdated' || data(e).verified)
        .some((e) => lead.timeOf(e) >= asOfMs - 90 * DAY);
      const checks = of((type) => type === 'DataQualityChecked').sort((a, b) => lead.timeOf(a) - lead.timeOf(b));
      const last = checks.at(-1);
      return [
        {
          leadId: lead.leadId,
          dims: lead.dims,
          atMs: 0,
          asked,
          filled: asked.filter((field) => filled.has(field)),
          verified,
          bounced,
          contacted: bounced || of((type) => type === 'ContactAttempted' || type === 'NurtureTouchSent').length > 0,
          checked: last === undefined ? null : (data(last).completeness as number),
        },
      ];
    }),
  figures: (items) => {
    const sum = (what: 'asked' | 'filled') => items.reduce((all, item) => all + item[what].length, 0);
    const checked = items.filter((item) => item.checked !== null);
    const tenThousandths = checked.reduce((all, item) => all + Math.round(item.checked * 10_000), 0);
    return {
      completeness: {
        numerator: sum('filled'),
        denominator: sum('asked'),
        rate: halfUp(sum('filled'), sum('asked'), 6),
        leads: distinct(items.filter((item) => item.filled.length === item.asked.length)),
        denominatorLeads: distinct(items),
      },
      fields: FIELDS.map((field) => {
        const those = (what: string) => items.filter((item: Item) => item[what].includes(field));
        return { field, ...rated(those('filled'), those('asked')) };
      }),
      verified: rated(
        items.filter((item) => item.verified),
        items,
      ),
      bounced: rated(
        items.filter((item) => item.bounced),
        items.filter((item) => item.contacted),
      ),
      // Here `leads` is the number of them; who they are is behind the link.
      checked: {
        mean: halfUp(tenThousandths, checked.length * 10_000, 6),
        leads: checked.length,
        drilled: distinct(checked),
      },
    };
  },
};
