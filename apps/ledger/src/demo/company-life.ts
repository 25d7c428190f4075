import type { ReviewCommand } from '#libs/alert/src/review.js';
import type { Actor, CommandName } from '#libs/lead/src/commands.js';
import type { BenchmarkDocument, TargetDocument } from '#libs/policy/src/target.js';
import { benchmarkId, targetId } from '#libs/policy/src/target.js';
import type { ConfigDocument, DocumentKind } from '#libs/policy/src/document-kinds.js';
import type { DocumentCommand } from '#libs/policy/src/versioned-document.js';
import type { SettingCommand } from '#libs/policy/src/setting.js';
import type { Act, Life, Step } from './act.js';
import {
  ADMIN,
  calendars,
  type Campaign,
  CAMPAIGNS,
  CURRENCY,
  ENRICHMENT,
  ICP,
  MANAGERS,
  MARKETER,
  type Office,
  OFFICES,
  OPS,
  PERSONAS,
  pipeline,
  secondModel,
  secondPipeline,
  SELLERS,
  sellerActor,
  type Seller,
  TEAMS,
} from './company.js';
import { LeadLife } from './lead-life.js';
import type { Random } from './random.js';
import { DAY_MS, HOUR_MS, iso, TWO_YEARS_MS, type World } from './world.js';

const document = (kind: DocumentKind, id: string, command: DocumentCommand, by: Actor = OPS): Act => ({
  of: 'document',
  kind,
  id,
  command,
  by,
});
const setting = (stream: string, id: string, command: SettingCommand): Act => ({
  of: 'setting',
  stream,
  id,
  command,
  by: OPS,
});

/** What nobody does to a lead: rules and how they change, people who come and go, targets. Begins all other lives. */
export function* companyLife(random: Random, world: World, leadsPerDay: number): Life {
  let atMs = world.fromMs;
  const next = () => (atMs += 1000);
  for (const act of foundation(world)) yield { atMs: next(), act };
  for (const one of SELLERS.filter(({ from }) => from === 0)) yield { atMs: next(), act: joining(one) };
  for (const campaign of CAMPAIGNS) {
    const life = campaignLife(campaign, random.fork(campaign.campaignId), world);
    yield { atMs: next(), act: { of: 'birth', name: campaign.campaignId, life } };
  }
  for (const one of SELLERS)
    yield { atMs: next(), act: { of: 'birth', name: one.repId, life: sellerLife(one, random.fork(one.repId), world) } };
  yield { atMs: next(), act: { of: 'birth', name: 'targets', life: targetLife(world) } };
  yield { atMs: next(), act: { of: 'birth', name: 'rules', life: ruleLife(world) } };
  yield { atMs: next(), act: { of: 'birth', name: 'accounts', life: accountLife(random.fork('accounts'), world) } };
  for (const office of ['berlin', 'newyork'] as const)
    yield {
      atMs: next(),
      act: { of: 'birth', name: `reviews ${office}`, life: reviewLife(office, random.fork(office), world) },
    };
  yield { atMs: next(), act: { of: 'birth', name: 'meetings', life: meetingLife(random.fork('meetings'), world) } };
  yield { atMs: next(), act: { of: 'birth', name: 'leads', life: arrivals(random.fork('leads'), world, leadsPerDay) } };
}

/** Draft, both approvals, activation. */
function* agreed(
  kind: DocumentKind,
  id: string,
  version: number,
  draft: ConfigDocument,
  rescoreExisting?: boolean,
): Generator<Act, void> {
  yield document(kind, id, { act: 'draft', document: draft });
  for (const party of ['marketing', 'sales'] as const)
    yield document(kind, id, { act: 'approve', version, party }, ADMIN);
  const rescore = rescoreExisting === undefined ? {} : { rescoreExisting };
  yield document(kind, id, { act: 'activate', version, ...rescore }, ADMIN);
}

function* foundation(world: World): Generator<Act, void> {
  for (const [id, calendar] of Object.entries(calendars(world.years))) {
    yield document('calendars', id, { act: 'draft', document: { ...calendar } });
    yield document('calendars', id, { act: 'activate', version: 1 });
  }
  for (const [teamId, team] of Object.entries(TEAMS))
    yield setting(`team-${teamId}`, teamId, { act: 'define-team', document: { ...team } });
  yield* agreed('icps', 'default', 2, { ...ICP });
  for (const [id, persona] of Object.entries(PERSONAS)) yield* agreed('personas', id, 1, { ...persona });
  yield document('pipelines', 'default', { act: 'draft', document: { ...pipeline } });
  yield document('pipelines', 'default', { act: 'activate', version: 2 });
  const benchmarks: BenchmarkDocument[] = [
    { metric: 'stage_win_rate', stage: 'demo', value: 0.75 },
    { metric: 'stage_win_rate', stage: 'negotiation', value: 0.9 },
    { metric: 'market_factor', value: 0.95 },
    { metric: 'resurrection_rate', stage: 'no_initiative', value: 0.4 },
  ];
  for (const benchmark of benchmarks) {
    const id = benchmarkId(benchmark);
    yield setting(`target-${id}`, id, { act: 'set-benchmark', document: benchmark });
  }
}

const joining = ({ office, repId, skills, weeklyLeadCapacity }: Seller): Act =>
  setting(`rep-${repId}`, repId, { act: 'join', repId, teamId: OFFICES[office].teamId, weeklyLeadCapacity, skills });

function* sellerLife(one: Seller, random: Random, world: World): Life {
  const { office, repId, successor } = one;
  let atMs = world.afterOffice(office, world.fromMs + one.from * TWO_YEARS_MS, 1);
  const stream = `rep-${repId}`;
  if (one.from > 0) yield { atMs, act: joining(one) };
  atMs = world.afterOffice(office, atMs + 9 * DAY_MS, 2);
  yield { atMs, act: setting(stream, repId, { act: 'train', repId, topic: 'discovery_calls' }) };
  const leavesMs = world.fromMs + one.to * TWO_YEARS_MS;
  for (;;) {
    atMs = world.afterOffice(office, atMs + random.between(110, 190) * DAY_MS, 1);
    if (atMs > leavesMs || world.share(atMs) > 3) break;
    const until = iso(world.ahead(atMs, random.whole(7, 18)));
    yield { atMs, act: setting(stream, repId, { act: 'change-capacity', repId, weeklyLeadCapacity: 0, until }) };
  }
  if (successor === undefined || !Number.isFinite(leavesMs)) return;
  atMs = world.afterOffice(office, leavesMs, 1);
  yield { atMs, act: setting(stream, repId, { act: 'leave', repId, successorId: successor }) };
}

function* campaignLife(campaign: Campaign, random: Random, world: World): Life {
  const { campaignId, channel, from, name, purpose, to, weeklyCost } = campaign;
  const money = (amount: number) => ({ amountMinor: Math.round(amount * 100), currency: CURRENCY });
  const startMs = world.fromMs + from * TWO_YEARS_MS;
  const weeks = (Math.min(to, 1.2) - from) * (TWO_YEARS_MS / DAY_MS / 7);
  const personaId = random.pick(Object.keys(PERSONAS));
  const plan = {
    campaignId,
    name,
    purpose,
    channel,
    audienceSegment: 'mid-market',
    personaId,
    budget: money(weeks * weeklyCost),
  };
  const send = (
    atMs: number,
    act: 'PlanCampaign' | 'LaunchCampaign' | 'RecordCampaignCost' | 'EndCampaign',
    body: object,
  ): Step => ({ atMs, act: { of: 'campaign', name: act, campaignId, body, by: MARKETER } });
  yield send(Math.max(world.fromMs + HOUR_MS, startMs - 2 * DAY_MS), 'PlanCampaign', plan);
  yield send(startMs, 'LaunchCampaign', {});
  let atMs = startMs;
  for (;;) {
    atMs += 7 * DAY_MS;
    if (world.share(atMs) > to) break;
    const quiet = world.isBad(atMs) ? 0.7 : 1;
    yield send(atMs, 'RecordCampaignCost', { amount: money(quiet * weeklyCost * random.between(0.7, 1.3)) });
  }
  yield send(world.fromMs + to * TWO_YEARS_MS + HOUR_MS, 'EndCampaign', {});
}

/** Every quarter its target, a quarter ahead; raised once in a good year. */
function* targetLife(world: World): Life {
  const first = new Date(world.fromMs);
  let [year, quarter] = [first.getUTCFullYear(), Math.floor(first.getUTCMonth() / 3) + 1];
  let atMs = world.fromMs + HOUR_MS;
  const set = (one: TargetDocument, reason?: string): Step => {
    const id = targetId(one);
    return {
      atMs,
      act: setting(`target-${id}`, id, {
        act: 'set-target',
        document: one,
        ...(reason === undefined ? {} : { reason }),
      }),
    };
  };
  for (let n = 0; n < 14; n++) {
    const period = `${year}-Q${quarter}`;
    const goal = Math.round(380 + 34 * n) * 1000 * 100;
    const amount = (share: number) => ({ amountMinor: Math.round(goal * share), currency: CURRENCY });
    yield set({ period, scope: 'all', amount: amount(1) });
    yield set({ period, scope: `team:${OFFICES.berlin.teamId}`, amount: amount(0.64) });
    yield set({ period, scope: `team:${OFFICES.newyork.teamId}`, amount: amount(0.36) });
    if (n === 5) yield set({ period, scope: 'all', amount: amount(1.1) }, 'A product line more to sell');
    [year, quarter] = quarter === 4 ? [year + 1, 1] : [year, quarter + 1];
    // The next one is set a fortnight before it begins.
    if (n > 0) atMs = Date.UTC(year, 3 * (quarter - 1), 1) - 14 * DAY_MS + 10 * HOUR_MS;
    atMs = Math.max(atMs, world.fromMs + HOUR_MS);
  }
}

/** What was agreed anew after the bad quarter. */
function* ruleLife(world: World): Life {
  const at = (share: number) => world.afterOffice('berlin', world.fromMs + share * TWO_YEARS_MS, 2);
  let atMs = at(0.5);
  yield { atMs, act: document('pipelines', 'default', { act: 'draft', document: { ...secondPipeline } }) };
  yield { atMs: atMs + HOUR_MS, act: document('pipelines', 'default', { act: 'activate', version: 3 }) };
  atMs = at(0.64);
  for (const act of agreed('scoring-models', 'default', 2, { ...secondModel }, true))
    yield { atMs: (atMs += HOUR_MS), act };
}

/** What is learnt of companies: research, new figures, two that turn out to be one, roles in the buying group. */
function* accountLife(random: Random, world: World): Life {
  let atMs = world.fromMs + 9 * DAY_MS;
  for (let n = 1; world.share(atMs) < 3; n++) {
    atMs = world.afterOffice('berlin', atMs + random.around(2.6) * DAY_MS, 1);
    const known = world.knownCompanies().filter(({ accountId }) => world.leadsOfAccount.has(accountId));
    if (known.length < 5) {
      yield { atMs, act: null };
      continue;
    }
    const { accountId, employees, revenueMinor } = random.pick(known);
    const [leadId] = world.leadsOfAccount.get(accountId) ?? [];
    const kind =
      n % 60 === 0
        ? 'merge'
        : random.choose([
            ['figures', 30],
            ['research', 34],
            ['role', 30],
            ['nurture', 6],
          ] as const);
    const act = (name: Extract<Act, { of: 'account' }>['name'], body: object, by: Actor): Act => ({
      of: 'account',
      name,
      accountId,
      body,
      by,
    });
    if (kind === 'merge') {
      const survivor = known.find((other) => other.accountId !== accountId)!;
      const merged = yield { atMs, act: act('MergeAccount', { survivorId: survivor.accountId }, OPS) };
      if (merged.refused === null) world.joinCompanies(accountId, survivor.accountId);
    } else if (kind === 'figures') {
      const grown = random.between(0.85, 1.35);
      const annualRevenue = { amountMinor: Math.round((revenueMinor * grown) / 100) * 100, currency: CURRENCY };
      const body = { employees: Math.round(employees * grown), annualRevenue, provider: 'company-data' };
      yield { atMs, act: act('UpdateFirmographics', body, ENRICHMENT) };
    } else if (kind === 'research') {
      const text = 'Opens a second site this year; planning is still done in lists.';
      yield { atMs, act: act('AddAccountResearch', { topic: 'growth', text }, MARKETER) };
    } else if (kind === 'role' && leadId !== undefined) {
      const role = random.pick(['decision_maker', 'influencer', 'user'] as const);
      yield { atMs, act: act('RecordBuyingRole', { leadId, role }, sellerActor(world.freeSeller('berlin', atMs))) };
    } else {
      yield { atMs, act: act('EnrolAccountInNurture', { trackId: 'company-letter' }, MARKETER) };
    }
  }
}

/** By month: nobody asks in August and at the end of the year. */
const SEASON = [0.95, 1, 1.15, 1.05, 1, 0.95, 0.8, 0.68, 1.15, 1.2, 1.1, 0.62];

/** New leads without end, from `startMs` on. */
export function* arrivals(random: Random, world: World, perDay: number, startMs = world.fromMs + 6 * HOUR_MS): Life {
  let atMs = startMs;
  for (let n = 1; ; n++) {
    const day = new Date(atMs);
    const weekend = day.getUTCDay() % 6 === 0 ? 0.3 : 1.22;
    const growth = 0.82 + 0.36 * Math.min(1.4, world.share(atMs));
    const rate = perDay * SEASON[day.getUTCMonth()]! * weekend * growth * (world.isBad(atMs) ? 0.76 : 1);
    atMs += (-Math.log(1 - random.next()) / rate) * DAY_MS;
    // Nights are quiet in Berlin; New York is awake then.
    if (new Date(atMs).getUTCHours() < 6 && random.chance(0.8)) atMs += 7 * HOUR_MS;
    const life = new LeadLife(world, random.fork(`lead ${n}`), atMs).live();
    yield { atMs, act: { of: 'birth', name: `lead ${n}`, life } };
  }
}

/** Every week: what nobody has touched for too long is dropped, taken up again or kept for a reason (EP-15). */
function* reviewLife(office: Office, random: Random, world: World): Life {
  const { teamId } = OFFICES[office];
  const by = MANAGERS[office];
  let atMs = world.afterOffice(office, world.fromMs + 5 * DAY_MS, 1);
  for (; !world.isPresent; atMs = world.afterOffice(office, atMs + 6.2 * DAY_MS, 1)) {
    const reviewId = random.uuid();
    const say = (command: ReviewCommand): Step => ({ atMs, act: { of: 'review', reviewId, command, by } });
    yield say({ name: 'ScheduleReview', body: { reviewId, teamId } });
    const decided = new Set<string>();
    const undecided = () => world.staleOf(teamId).find(({ leadId }) => !decided.has(leadId));
    // Whatever goes stale during the review is decided about too.
    for (let stale = undecided(); stale !== undefined; stale = undecided()) {
      const { leadId, state } = stale;
      decided.add(leadId);
      atMs += 60_000;
      const leaves = state === 'RECYCLED' && random.chance(0.66);
      const decision = leaves ? 'remove' : random.chance(0.6) ? 're_engage' : 'keep';
      yield say({ name: 'RecordFinding', body: { leadId, finding: 'stale', decision } });
      atMs += 60_000;
      const lead = (name: CommandName, body: object, actor = by): Step => ({
        atMs,
        act: { of: 'lead', name, leadId, body, by: actor },
      });
      if (leaves) yield lead('DisqualifyLead', { reasonCode: 'no_need' }, OPS);
      else if (decision === 're_engage')
        yield lead('LogContactAttempt', { channel: 'phone', outcome: 'voicemail', intent: 'follow_up' });
    }
    yield say({ name: 'CompleteReview', body: {} });
  }
}

/** Both teams about their agreement, every four weeks. */
function* meetingLife(random: Random, world: World): Life {
  let atMs = world.fromMs + 20 * DAY_MS;
  for (; !world.isPresent; atMs = world.afterOffice('berlin', atMs + 27 * DAY_MS, 3)) {
    const agreementChangesProposed = random.chance(0.2) ? 1 : 0;
    const body = {
      attendees: ['marketing', 'sales'],
      topics: ['Rejected handoffs of the month'],
      agreementChangesProposed,
    };
    yield {
      atMs,
      act: { of: 'review', reviewId: 'alignment', command: { name: 'HoldAlignmentMeeting', body }, by: OPS },
    };
  }
}
