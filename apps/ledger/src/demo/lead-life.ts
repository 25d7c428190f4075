import type { Actor, CommandName } from '#libs/lead/src/commands.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import type { Act, Done, Life, Step } from './act.js';
import {
  CHALLENGES,
  CURRENCY,
  ENRICHMENT,
  MAILER,
  MANAGERS,
  MARKETER,
  OFFICES,
  OPS,
  OPS_LEAD,
  type PersonaId,
  sellerActor,
  type Seller,
  SELLERS,
  WEBSITE,
} from './company.js';
import { duplicateLife } from './duplicate-life.js';
import { person, type BuyerRole, type Company, type Person } from './people.js';
import type { Random } from './random.js';
import { DAY_MS, HOUR_MS, iso, isoDate, type World } from './world.js';

type Heat = 'hot' | 'warm' | 'cold';
type Steps<T = void> = Generator<Step, T, Done>;

const PERSONA_OF: Readonly<Record<BuyerRole, PersonaId>> = {
  decision_maker: 'operations-olga',
  influencer: 'it-ivan',
  user: 'team-lead-tina',
  gatekeeper: 'it-ivan',
};

const VISITS: Readonly<Record<Heat, readonly (readonly [kind: string, weight: number])[]>> = {
  hot: [
    ['pricing_page', 22],
    ['page_view', 18],
    ['guide', 12],
    ['case_study', 14],
    ['email_click', 12],
    ['webinar_attended', 9],
    ['product_demo_attended', 5],
    ['demo_request', 5],
    ['trial_started', 3],
  ],
  warm: [
    ['page_view', 30],
    ['email_open', 20],
    ['email_click', 16],
    ['guide', 14],
    ['whitepaper', 7],
    ['webinar_registered', 5],
    ['case_study', 5],
    ['pricing_page', 3],
  ],
  cold: [
    ['page_view', 45],
    ['email_open', 38],
    ['email_click', 10],
    ['guide', 5],
    ['social_engagement', 2],
  ],
};

const INTEREST: Readonly<
  Record<Heat, { readonly atLeast: number; readonly atMost: number; readonly everyDays: number }>
> = {
  hot: { atLeast: 4, atMost: 9, everyDays: 0.8 },
  warm: { atLeast: 5, atMost: 10, everyDays: 2.4 },
  cold: { atLeast: 1, atMost: 4, everyDays: 16 },
};

/** One person from the first touch on, as the company treats it. What it decides is a matter of the seed and of the answers. */
export class LeadLife {
  readonly #company: Company;
  readonly #person: Person;
  readonly #number: number;
  #heat: Heat;
  #seller: Seller | null = null;
  #t: number;
  #leadId = '';
  #told: LeadStateName | null = null;
  #cycle = 1;
  #raised = false;
  #amountMinor = 0;
  #restored = false;
  #challenge: string | null = null;
  #mailed = true;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    startMs: number,
  ) {
    this.#t = startMs;
    this.#company = world.someCompany(random);
    this.#number = world.nextPerson();
    this.#person = person(random, this.#number, this.#company);
    this.#heat = random.choose<Heat>([
      ['hot', 34],
      ['warm', 36],
      ['cold', 30],
    ]);
  }

  *live(): Life {
    if (this.world.mustRegister(this.#company)) yield* this.#register();
    yield* this.#capture();
    if (this.#state === null || this.#state === 'JUNK') return;
    for (let turn = 0; turn < 12; turn++) {
      const goesOn = yield* this.#next();
      if (!goesOn) break;
    }
    if (this.#seller !== null) this.world.disown(this.#seller.repId, this.#leadId);
  }

  *#next(): Steps<boolean> {
    switch (this.#state) {
      case 'SUBSCRIBER':
      case 'LEAD':
      case 'PROSPECT':
        return yield* this.#warmUp();
      case 'MQL':
        return yield* this.#handOver();
      case 'SAL':
        return yield* this.#reach();
      case 'SQL':
        return yield* this.#propose();
      case 'OPPORTUNITY':
        return yield* this.#sell();
      case 'RECYCLED':
        return yield* this.#takeUpAgain();
      case 'LOST':
        return yield* this.#comeBack();
      case 'CUSTOMER':
        return yield* this.#serve();
      default:
        return false;
    }
  }

  // ---- who it is

  *#register(): Steps {
    const { accountId, country, domain, employees, industry, name, revenueMinor } = this.#company;
    const body = { accountId, name, domains: [domain], industry, country };
    yield* this.#act({ of: 'account', name: 'RegisterAccount', accountId, body, by: ENRICHMENT });
    this.#t += 1000;
    const annualRevenue = { amountMinor: revenueMinor, currency: CURRENCY };
    const known = this.random.chance(0.9) ? { annualRevenue, employees, provider: 'company-data' } : { employees };
    yield* this.#act({ of: 'account', name: 'UpdateFirmographics', accountId, body: known, by: ENRICHMENT });
    this.#t += 1000;
  }

  *#capture(): Steps {
    const { random, world } = this;
    const { accountId, country, name } = this.#company;
    const { email, familyName, givenName, jobTitle, phone } = this.#person;
    const kind = random.choose<'passive' | 'active' | 'none' | 'outbound'>([
      ['passive', 58],
      ['active', 16],
      ['none', 14],
      ['outbound', 12],
    ]);
    if (kind === 'active') this.#heat = random.chance(0.75) ? 'hot' : 'warm';
    this.#raised = kind === 'active';
    const campaigns = world.running(this.#t);
    const campaign = kind !== 'outbound' && campaigns.length > 0 && random.chance(0.7) ? random.pick(campaigns) : null;
    const channel =
      kind === 'outbound'
        ? 'outbound'
        : (campaign?.channel ??
          random.choose([
            ['search', 34],
            ['direct', 22],
            ['referral', 16],
            ['social', 14],
            ['email', 8],
            ['partner', 6],
          ] as const));
    const request = random.pick(['demo', 'pricing', 'contact'] as const);
    this.#mailed = kind !== 'outbound' || random.chance(0.3);
    const done = yield* this.#act({
      of: 'lead',
      name: 'CaptureLead',
      body: {
        person: { givenName, familyName, email, ...(phone === null ? {} : { phone }) },
        jobTitle,
        location: { country },
        companyName: name,
        accountId,
        captureMethod: kind === 'outbound' ? 'cold_outreach' : channel === 'event' ? 'event' : 'form',
        interest: kind === 'active' ? { kind, request } : { kind: kind === 'none' ? 'none' : 'passive' },
        source: { channel, ...(campaign === null ? {} : { campaignId: campaign.campaignId }) },
        consents: this.#mailed
          ? [{ purpose: 'email_marketing', basis: 'consent', textVersion: '2', doubleOptIn: true }]
          : [{ purpose: 'sharing', basis: 'legitimate_interest', textVersion: '2' }],
      },
      by: kind === 'outbound' ? MARKETER : WEBSITE,
    });
    this.#leadId = done.leadId;
    if (done.state === null) return;
    world.atCompany(accountId, this.#leadId);
    if (random.chance(0.035)) {
      this.#t += random.between(0.1, 4) * DAY_MS;
      const reason = random.choose([
        ['fake_details', 3],
        ['bot', 2],
        ['spam', 3],
        ['no_interaction', 2],
      ] as const);
      yield* this.#lead('MarkJunk', { reasonCode: reason }, MARKETER);
      return;
    }
    if (phone !== null && random.chance(0.05)) {
      const known = { leadId: this.#leadId, phone, company: this.#company, person: this.#person };
      const atMs = this.#t + random.between(2, 70) * DAY_MS;
      const life = duplicateLife(known, random.fork('duplicate'), world, atMs);
      yield { atMs: this.#t, act: { of: 'birth', name: 'duplicate', life } };
    }
    this.#t += random.between(0.02, kind === 'active' ? 0.1 : 1.5) * DAY_MS;
    if (random.chance(0.86))
      yield* this.#lead(
        'IdentifyRole',
        { role: this.#person.role, provider: 'company-data', confidence: 0.9 },
        ENRICHMENT,
      );
    if (random.chance(0.7)) {
      this.#t += 60_000;
      yield* this.#lead('AssignPersona', { personaId: PERSONA_OF[this.#person.role], confidence: 0.8 }, MARKETER);
    }
    if (random.chance(0.55)) {
      this.#t += 60_000;
      yield* this.#lead('CheckDataQuality', random.chance(0.2) ? { staleFields: ['phone'] } : {}, ENRICHMENT);
    }
  }

  // ---- marketing

  /** True when the lead is worth a handover now. */
  *#warmUp(): Steps<boolean> {
    const { random } = this;
    const heat = this.#heat;
    const { atLeast, atMost, everyDays } = INTEREST[heat];
    const visits = random.whole(atLeast, atMost);
    if (this.#raised && this.#state === 'LEAD' && random.chance(0.2)) return yield* this.#goStraight();
    let isNurtured = this.#mailed && this.#state !== 'PROSPECT' && random.chance(heat === 'hot' ? 0.5 : 0.72);
    if (isNurtured) {
      const trackId = random.chance(0.7) ? 'know-your-numbers' : 'from-lists-to-system';
      yield* this.#lead('EnrolInNurture', { trackId }, MARKETER);
    }
    for (let visit = 0; visit < visits && this.#isBeforeMql(); visit++) {
      this.#t += random.around(everyDays, 0.7) * DAY_MS;
      if (isNurtured && random.chance(0.38)) {
        yield* this.#lead('LogNurtureTouch', { channel: 'email' }, MAILER);
        this.#t += random.between(0.2, 20) * HOUR_MS;
      }
      if (!this.#isBeforeMql()) break;
      const kind = random.choose(VISITS[heat]);
      const campaigns = this.world.running(this.#t);
      const campaignId = campaigns.length > 0 && random.chance(0.25) ? random.pick(campaigns).campaignId : undefined;
      const count = kind === 'page_view' ? random.whole(1, 5) : 1;
      yield* this.#lead(
        'RecordBehaviour',
        { kind, count, ...(campaignId === undefined ? {} : { campaignId }) },
        WEBSITE,
      );
      if (random.chance(0.012)) {
        yield* this.#leave();
        isNurtured = false;
      }
    }
    if (this.#state === 'MQL') return true;
    if (!this.#isBeforeMql()) return this.#state !== null;
    this.#t = this.world.afterOffice('berlin', this.#t, random.around(20));
    if (heat !== 'cold' && random.chance(heat === 'hot' ? 0.3 : 0.14)) {
      yield* this.#lead(
        'MarkMQL',
        { reason: 'Asked good questions at the fair; criteria agreed with sales' },
        MARKETER,
      );
      return this.#isState('MQL');
    }
    if (random.chance(0.09)) {
      const reasonCode = random.pick([
        'industry_not_served',
        'company_too_small',
        'competitor',
        'student',
        'no_need',
      ] as const);
      yield* this.#lead('DisqualifyLead', { reasonCode }, MARKETER);
      return false;
    }
    // Some come back much later; of the others the list is cleaned now and then.
    if (this.#cycle > 2 || !random.chance(heat === 'cold' ? 0.07 : 0.16)) return yield* this.#cleanUp(0.92);
    this.#cycle += 1;
    this.#heat = random.chance(0.4) ? 'hot' : 'warm';
    this.#t += random.around(90, 0.4) * DAY_MS;
    return true;
  }

  /** Nothing was heard for long: no need, or nobody there. */
  *#cleanUp(share: number): Steps<false> {
    const { random } = this;
    if (!random.chance(share)) return false;
    this.#t = this.world.afterOffice('berlin', this.#t + random.between(40, 95) * DAY_MS, 2);
    if (!this.#isBeforeMql() && !this.#isState('RECYCLED')) return false;
    if (this.#isBeforeMql() && random.chance(0.25))
      yield* this.#lead('MarkJunk', { reasonCode: 'no_interaction' }, MARKETER);
    else yield* this.#lead('DisqualifyLead', { reasonCode: random.chance(0.7) ? 'no_need' : 'no_value_fit' }, MARKETER);
    return false;
  }

  *#leave(): Steps {
    yield* this.#lead('RecordBehaviour', { kind: this.random.chance(0.8) ? 'unsubscribe' : 'complaint' }, MAILER);
    this.#mailed = false;
  }

  /** Whoever asks for prices may be an SQL on the phone the same day (T10). */
  *#goStraight(): Steps<boolean> {
    const seller = this.#assign();
    this.#t = this.world.afterOffice(this.#company.office, this.#t, this.random.around(1.2));
    yield* this.#attempt('connected');
    yield* this.#lead('LogResponse', { channel: 'phone', sentiment: 'positive' }, sellerActor(seller));
    this.#t += 20 * 60_000;
    yield* this.#lead(
      'MarkSQL',
      { qualification: this.#answers(), timingHorizonDays: 30, skipRule: 'inbound_hand_raise' },
      sellerActor(seller),
    );
    if (this.#isState('SQL')) return true;
    this.#raised = false;
    return true;
  }

  *#handOver(): Steps<boolean> {
    const { random, world } = this;
    const { office } = this.#company;
    this.#t = world.afterOffice('berlin', this.#t, random.around(1.6, 0.8));
    if (random.chance(0.02)) {
      yield* this.#lead('WithdrawQualification', { reason: 'error', note: 'Marked by mistake' }, MARKETER);
      this.#heat = 'cold';
      return this.#isState('LEAD') || this.#isState('PROSPECT');
    }
    const seller = this.#assign();
    if (!this.#restored) {
      const body = { teamId: OFFICES[office].teamId, ownerId: seller.repId, summary: 'Score and persona fit' };
      yield* this.#lead('HandOffToSales', body, MARKETER);
    }
    this.#restored = false;
    if (!this.#isState('MQL')) return true;
    // The seller calls before anybody has accepted: the offer is taken by that.
    if (this.#raised && this.#cycle === 1 && random.chance(0.14)) return yield* this.#goStraight();
    const isBad = world.isBad(this.#t);
    const hours = random.chance(isBad ? 0.13 : 0.05) ? random.between(8.3, 26) : Math.min(7.8, random.around(1.7, 0.7));
    this.#t = world.afterOffice(office, this.#t, hours);
    if (random.chance(isBad ? 0.81 : office === 'berlin' ? 0.93 : 0.905)) {
      const done = yield* this.#lead('AcceptLead', { ownerId: seller.repId }, sellerActor(seller));
      if (!this.#isState('SAL')) return false;
      world.own(seller.repId, this.#leadId);
      if (random.chance(0.008)) yield* this.#void(done, 'AcceptedBySales', 'Accepted the wrong lead');
      return true;
    }
    const reasonCode = random.choose([
      ['icp_mismatch', 24],
      ['below_threshold', 18],
      ['bad_data', 16],
      ['no_interest_confirmed', 22],
      ['wrong_contact', 12],
      ['territory', 4],
      ['duplicate', 4],
    ] as const);
    const failedCriteria =
      reasonCode === 'icp_mismatch' ? ['icp_employees'] : reasonCode === 'wrong_contact' ? ['role_decision_maker'] : [];
    yield* this.#lead(
      'RejectLead',
      { reasonCode, failedCriteria, suggestion: 'Talk to them again in spring' },
      sellerActor(seller),
    );
    world.disown(seller.repId, this.#leadId);
    return this.#isState('RECYCLED');
  }

  // ---- sales

  *#reach(): Steps<boolean> {
    const { random, world } = this;
    const { office } = this.#company;
    const isBad = world.isBad(this.#t);
    const acceptedMs = this.#t;
    const dueMs = world.afterWeekdays(office, acceptedMs, 48);
    const fate = random.choose([
      ['in_time', isBad ? 80 : 91],
      ['late', isBad ? 16 : 6.5],
      ['told_late', 2.5],
    ] as const);
    let occurredAt: string | undefined;
    if (fate === 'in_time')
      this.#t = Math.min(world.afterOffice(office, acceptedMs, random.around(3.4, 0.9)), dueMs - HOUR_MS);
    else this.#t = world.afterOffice(office, dueMs + HOUR_MS, fate === 'late' ? random.around(5) : 0.4);
    if (fate === 'told_late' && !world.isPresent) occurredAt = iso(dueMs - random.between(1, 6) * HOUR_MS);
    if (random.chance(0.8)) yield* this.#verifyPerson();
    let answered = false;
    const patience = 6;
    for (let attempt = 1; attempt <= patience && !answered && this.#isState('SAL'); attempt++) {
      answered = random.chance(attempt === 1 ? 0.4 : 0.33);
      const outcome = answered
        ? 'connected'
        : random.choose([
            ['no_answer', 40],
            ['voicemail', 24],
            ['sent', 32],
            ['bounced', 2],
            ['wrong_person', 2],
          ] as const);
      yield* this.#attempt(outcome, attempt, attempt === 1 ? occurredAt : undefined);
      if (answered) break;
      if (attempt === 3 && random.chance(0.04)) {
        yield* this.#lead(
          'DeferContact',
          { until: iso(this.world.ahead(this.#t, 9)), requestedBy: 'lead' },
          this.#by(),
        );
        this.#t += 9 * DAY_MS;
      }
      this.#t = world.afterOffice(office, this.#t, random.chance(0.9) ? random.between(5, 15) : random.between(17, 30));
    }
    if (!this.#isState('SAL')) return true;
    if (!answered) {
      yield* this.#recycle('unresponsive');
      return true;
    }
    if (yield* this.#talk()) return true;
    return yield* this.#return();
  }

  /** True: an SQL. */
  *#talk(): Steps<boolean> {
    const { random } = this;
    const { office } = this.#company;
    this.#t += random.between(2, 50) * 60_000;
    const channel = random.pick(['phone', 'email'] as const);
    const sentiment = random.choose([
      ['positive', 70],
      ['neutral', 22],
      ['negative', 7],
      ['opt_out', 1],
    ] as const);
    yield* this.#lead('LogResponse', { channel, sentiment }, this.#by());
    yield* this.#lead('BookMeeting', { at: iso(this.world.ahead(this.#t, 3)), kind: 'discovery' }, this.#by());
    this.#t = this.world.afterOffice(office, this.#t + random.around(1.7) * DAY_MS, 1);
    const met = random.choose([
      ['successful', 80],
      ['unsuccessful', 12],
      ['no_show', 8],
    ] as const);
    yield* this.#lead('LogMeeting', { outcome: met, kind: 'discovery' }, this.#by());
    if (met === 'no_show') {
      this.#t = this.world.afterOffice(office, this.#t, random.around(12));
      yield* this.#lead('LogMeeting', { outcome: 'successful', kind: 'discovery' }, this.#by());
    }
    const challengeCode = random.pick(CHALLENGES);
    this.#challenge = challengeCode;
    const interestedInBuying = random.chance(0.7) ? 'yes' : 'unknown';
    yield* this.#lead(
      'IdentifyGoal',
      { goal: 'See every order in one place before the month ends', challengeCode, interestedInBuying },
      this.#by(),
    );
    if (random.chance(0.5))
      yield* this.#lead(
        'AssessIntent',
        { level: random.pick(['low', 'medium', 'high'] as const), channel },
        this.#by(),
      );
    if (random.chance(0.45)) {
      const rate = () => random.whole(0, 3);
      const body = {
        productKnowledge: rate(),
        ourKnowledgeOfBusiness: rate(),
        visitFrequencyPer30d: random.whole(0, 8),
        understandsValue: rate(),
        hasBudget: random.pick(['yes', 'unknown', 'no'] as const),
        wantsProposal: random.pick(['yes', 'unknown'] as const),
      };
      yield* this.#lead('AnswerBuyingQuestions', body, this.#by());
    }
    if (random.chance(0.3))
      yield* this.#lead('ObserveJourneyStage', { stage: 'decision', basis: 'conversation' }, this.#by());
    if (met === 'unsuccessful' || !random.chance(this.world.isBad(this.#t) ? 0.5 : 0.64)) return false;
    this.#t = this.world.afterOffice(office, this.#t, random.around(9, 0.8));
    const done = yield* this.#lead(
      'MarkSQL',
      { qualification: this.#answers(), timingHorizonDays: random.whole(14, 120) },
      this.#by(),
    );
    if (this.#isState('SQL') && random.chance(0.01))
      yield* this.#void(done, 'MarkedSQL', 'Budget was of another project');
    return this.#isState('SQL') || this.#isState('SAL');
  }

  *#return(): Steps<boolean> {
    const { random } = this;
    this.#t = this.world.afterOffice(this.#company.office, this.#t, random.around(10));
    if (random.chance(0.26)) {
      const reasonCode = random.choose([
        ['no_need', 30],
        ['no_value_fit', 24],
        ['no_authority', 18],
        ['revenue_below_minimum', 16],
        ['competitor', 12],
      ] as const);
      yield* this.#lead('DisqualifyLead', { reasonCode }, this.#by());
      return false;
    }
    const reason = random.choose([
      ['no_initiative', 40],
      ['timing', 24],
      ['no_budget_now', 18],
      ['needs_education', 18],
    ] as const);
    yield* this.#recycle(reason);
    return true;
  }

  *#recycle(reasonCode: string): Steps {
    const override =
      reasonCode === 'unresponsive' ? { override: { reason: 'Six tries over three weeks are enough' } } : {};
    const by = reasonCode === 'unresponsive' ? MANAGERS[this.#company.office] : this.#by();
    const revisitOn = isoDate(this.world.ahead(this.#t, this.random.whole(30, 120)));
    yield* this.#lead('RecycleLead', { reasonCode, nurtureTrackId: 'stay-in-touch', revisitOn, ...override }, by);
  }

  *#propose(): Steps<boolean> {
    const { random, world } = this;
    this.#t = world.afterOffice(this.#company.office, this.#t, random.around(11, 0.9));
    if (random.chance(0.1)) {
      yield* this.#recycle(random.pick(['timing', 'no_budget_now', 'decision_maker_changed'] as const));
      return true;
    }
    this.#amountMinor = Math.round(random.around(2100, 0.55)) * 1000;
    const days = random.whole(24, 75);
    const done = yield* this.#lead(
      'OpenOpportunity',
      {
        amount: this.#amount(),
        expectedCloseDate: isoDate(world.ahead(this.#t, days)),
        productLine: random.pick(['planning', 'control'] as const),
        horizon: days > 55 ? 'long' : 'short',
      },
      this.#by(),
    );
    return done.refused === null;
  }

  *#sell(): Steps<boolean> {
    const { random, world } = this;
    const { office } = this.#company;
    const luck = (this.#seller?.luck ?? 1) * (world.isBad(this.#t) ? 0.8 : 1) * (this.#cycle > 1 ? 0.85 : 1);
    const stages = [
      ['meeting_booked', 0.66, 3],
      ['demo', 0.78, 7],
      ['quote_development', 0.9, 3],
      ['quote_presented', 0.86, 4],
      ['negotiation', 0.9, 3],
    ] as const;
    for (const [n, [stage, passes, days]] of stages.entries()) {
      if (random.chance(0.045)) yield* this.#pause();
      if (stage === 'demo') yield* this.#lead('LogMeeting', { outcome: 'successful', kind: 'demo' }, this.#by());
      // Some deals are forgotten for a while.
      const forgotten = random.chance(0.05) ? random.between(16, 34) : 0;
      this.#t = world.afterOffice(office, this.#t + (random.around(days, 0.45) + forgotten) * DAY_MS, 1);
      if (!this.#isState('OPPORTUNITY')) return yield* this.#requalify();
      if (stage === 'quote_development') {
        if (random.chance(0.72)) yield* this.#lead('VerifyDealValue', { evidence: 'written_quote' }, this.#by());
        if (random.chance(0.35)) yield* this.#changeAmount();
      }
      if (stage === 'quote_presented') {
        // Now and then somebody sends the standard proposal.
        const standard = random.pick(CHALLENGES);
        const isStandard = this.#challenge === null || standard === 'old_system';
        const body = {
          challengesAddressed: [isStandard ? standard : this.#challenge],
          costIncluded: true,
          implementationSteps: true,
          expectedRoi: 140,
        };
        yield* this.#lead('SendProposal', body, this.#by());
      }
      if (stage === 'negotiation' && random.chance(0.6)) yield* this.#object();
      if (random.chance(0.18)) {
        const expectedCloseDate = isoDate(world.ahead(this.#t, random.whole(15, 50)));
        yield* this.#lead('ChangeCloseDate', { expectedCloseDate, reason: 'Their board meets later' }, this.#by());
      }
      if (random.chance(0.018)) yield* this.#decisionMakerLeaves();
      if (!this.#isState('OPPORTUNITY')) return yield* this.#requalify();
      if (!random.chance(Math.min(0.97, passes * luck ** 0.5))) return yield* this.#lose(n);
      const following = stages[n + 1];
      if (following === undefined) break;
      if (random.chance(0.01))
        yield* this.#lead('ReturnToQualification', { reasonCode: 'requirements_changed' }, this.#by());
      if (!this.#isState('OPPORTUNITY')) return yield* this.#requalify();
      yield* this.#lead('ChangeDealStage', { to: following[0] }, this.#by());
    }
    this.#t += 30 * 60_000;
    yield* this.#lead('WinDeal', { amount: this.#amount() }, this.#by());
    return this.#isState('CUSTOMER');
  }

  *#lose(stage: number): Steps<boolean> {
    const { random } = this;
    const early = [
      ['no_budget', 22],
      ['no_decision', 26],
      ['timing', 16],
      ['unresponsive', 14],
      ['decision_maker_left', 9],
      ['product_gap', 8],
      ['price', 5],
    ] as const;
    const late = [
      ['price', 36],
      ['competitor', 30],
      ['no_decision', 14],
      ['decision_maker_left', 10],
      ['product_gap', 10],
    ] as const;
    const reasonCode = random.choose<string>(stage < 2 ? early : late);
    const competitor =
      reasonCode === 'competitor' ? { competitor: random.pick(['Planwise', 'Orderly', 'Gridbase']) } : {};
    yield* this.#lead('LoseDeal', { reasonCode, ...competitor }, this.#by());
    return this.#isState('LOST');
  }

  /** Back in SQL with an open deal. */
  *#requalify(): Steps<boolean> {
    const { random, world } = this;
    if (!this.#isState('SQL')) return this.#state !== 'MERGED' && this.#state !== null;
    this.#t = world.afterOffice(this.#company.office, this.#t + random.around(6) * DAY_MS, 2);
    if (random.chance(0.6)) {
      yield* this.#lead('LoseDeal', { reasonCode: 'decision_maker_left' }, this.#by());
      return this.#isState('LOST');
    }
    yield* this.#lead(
      'AnswerQualification',
      { answers: { authority: { value: 'yes', note: 'The successor decides' } } },
      this.#by(),
    );
    yield* this.#lead('ResumeOpportunity', {}, this.#by());
    if (!this.#isState('OPPORTUNITY')) return false;
    this.#t = world.afterOffice(this.#company.office, this.#t + random.around(10) * DAY_MS, 2);
    if (!random.chance(0.5)) return yield* this.#lose(3);
    yield* this.#lead('WinDeal', { amount: this.#amount() }, this.#by());
    return this.#isState('CUSTOMER');
  }

  *#pause(): Steps {
    const days = this.random.whole(8, 40);
    const reasonCode = this.random.pick(['customer_request', 'budget_cycle', 'legal_review'] as const);
    const held = yield* this.#lead(
      'PutOnHold',
      { reasonCode, until: iso(this.world.ahead(this.#t, days + 5)) },
      this.#by(),
    );
    if (held.refused !== null) return;
    this.#t = this.world.afterOffice(this.#company.office, this.#t + days * DAY_MS, 1);
    yield* this.#lead('ResumeFromHold', {}, this.#by());
  }

  *#changeAmount(): Steps {
    this.#amountMinor = Math.round((this.#amountMinor * this.random.between(0.75, 1.3)) / 1000) * 1000;
    yield* this.#lead(
      'ChangeDealAmount',
      { amount: this.#amount(), reason: 'Number of users is clear now' },
      this.#by(),
    );
  }

  *#object(): Steps {
    const code = this.random.pick(['price', 'security', 'effort'] as const);
    const raised = yield* this.#lead(
      'RaiseObjection',
      { code, objectionId: `objection-${this.#number}-${this.#cycle}` },
      this.#by(),
    );
    if (raised.refused !== null || this.random.chance(0.1)) return;
    this.#t = this.world.afterOffice(this.#company.office, this.#t, this.random.around(7));
    const body = { objectionId: `objection-${this.#number}-${this.#cycle}`, how: 'A reference customer called them' };
    yield* this.#lead('ResolveObjection', body, this.#by());
  }

  /** Told of the account; the ledger carries it to every open deal there (EP-12). */
  *#decisionMakerLeaves(): Steps {
    const { accountId } = this.#company;
    yield* this.#act({
      of: 'account',
      name: 'RecordDecisionMakerLeft',
      accountId,
      body: { leadId: this.#leadId },
      by: this.#by(),
    });
    this.#t += 5 * 60_000;
    yield* this.#lead('AssessIntent', { level: 'low', channel: 'phone' }, this.#by());
  }

  // ---- afterwards

  *#takeUpAgain(): Steps<boolean> {
    const { random, world } = this;
    this.#t = world.afterOffice('berlin', this.#t, random.chance(0.86) ? random.around(13) : random.between(42, 70));
    const enrolled =
      this.#mailed && (yield* this.#lead('EnrolInNurture', { trackId: 'stay-in-touch' }, MARKETER)).refused === null;
    if (!enrolled)
      yield* this.#lead('LogNurtureTouch', { trackId: 'stay-in-touch', channel: 'phone', oneToMany: false }, MARKETER);
    if (this.#cycle >= 3) return yield* this.#cleanUp(0.85);
    this.#cycle += 1;
    const isBack = random.chance(0.4);
    for (let touch = 0; touch < 3 && this.#isState('RECYCLED'); touch++) {
      this.#t += random.around(isBack ? 15 : 26, 0.4) * DAY_MS;
      if (enrolled) yield* this.#lead('LogNurtureTouch', { channel: 'email' }, MAILER);
      this.#t += random.between(1, 40) * HOUR_MS;
      if (isBack && this.#isState('RECYCLED'))
        yield* this.#lead('RecordBehaviour', { kind: random.choose(VISITS.hot) }, WEBSITE);
    }
    if (!isBack) return yield* this.#cleanUp(0.85);
    for (let visit = 0; visit < 4 && this.#isState('RECYCLED'); visit++) {
      this.#t += random.around(1.5) * DAY_MS;
      yield* this.#lead('RecordBehaviour', { kind: random.choose(VISITS.hot) }, WEBSITE);
    }
    if (this.#isState('RECYCLED'))
      yield* this.#lead('MarkMQL', { reason: 'Their project starts next quarter' }, MARKETER);
    return this.#isState('MQL');
  }

  *#comeBack(): Steps<boolean> {
    const { random } = this;
    if (this.#seller !== null) this.world.disown(this.#seller.repId, this.#leadId);
    if (this.#cycle >= 3 || !random.chance(0.26)) return false;
    this.#cycle += 1;
    this.#t += random.around(85, 0.4) * DAY_MS;
    yield* this.#lead('RecordBehaviour', { kind: 'pricing_page' }, WEBSITE);
    this.#t = this.world.afterOffice('berlin', this.#t, random.around(5));
    if (!this.#isState('LOST')) return false;
    yield* this.#lead('ReopenLead', { reasonCode: 'new_interest' }, MARKETER);
    this.#heat = 'hot';
    return this.#isState('LEAD') || this.#isState('PROSPECT');
  }

  *#serve(): Steps<boolean> {
    const { random } = this;
    if (this.#seller !== null) this.world.disown(this.#seller.repId, this.#leadId);
    this.#t += (random.chance(0.9) ? random.between(3, 13) : random.between(15, 24)) * DAY_MS;
    const satisfaction = Math.min(10, Math.max(2, Math.round(random.around(8.3, 0.18))));
    yield* this.#lead('LogPostSaleFollowUp', { channel: 'phone', satisfaction }, this.#by());
    this.#t += random.between(10, 40) * DAY_MS;
    if (random.chance(0.5))
      yield* this.#lead(
        'RecordFeedback',
        {
          about: random.pick(['product', 'service', 'sales_process'] as const),
          rating: satisfaction,
          note: 'Setting up was quick',
        },
        this.#by(),
      );
    if (this.#cycle >= 3 || !random.chance(0.25)) return false;
    this.#cycle += 1;
    this.#t += random.around(120, 0.4) * DAY_MS;
    yield* this.#lead(
      'MarkServiceQualified',
      { offer: random.pick(['upgrade', 'cross_sell'] as const), note: 'Wants a second site' },
      MARKETER,
    );
    return this.#isState('MQL');
  }

  // ---- shorter ways to say it

  #assign(): Seller {
    const { office } = this.#company;
    const active = this.world.sellers(office, this.#t);
    if (this.#seller === null || !active.includes(this.#seller)) this.#seller = this.world.freeSeller(office, this.#t);
    return this.#seller;
  }

  /** Whoever has the lead; after a leaver his successor. */
  #by(): Actor {
    let seller = this.#seller ?? this.#assign();
    if (seller.successor !== undefined && this.world.share(this.#t) >= seller.to) {
      seller = SELLERS.find(({ repId }) => repId === seller.successor) ?? seller;
      this.#seller = seller;
    }
    return sellerActor(seller);
  }

  #amount() {
    return { amountMinor: this.#amountMinor, currency: CURRENCY };
  }

  #answers() {
    const note = 'Said so in the discovery call';
    const yes = { value: 'yes', note };
    return {
      interest: yes,
      need: yes,
      budget: yes,
      authority: yes,
      timing: { value: this.random.chance(0.8) ? 'yes' : 'no', note },
    };
  }

  *#verifyPerson(): Steps {
    const isDecisionMaker = this.#person.role === 'decision_maker';
    yield* this.#lead('VerifyContactPerson', { isDecisionMaker, evidence: 'company_page' }, this.#by());
  }

  *#attempt(outcome: string, sequenceStep?: number, occurredAt?: string): Steps {
    const channel = sequenceStep !== undefined && sequenceStep % 2 === 0 ? 'email' : 'phone';
    const durationS = outcome === 'connected' ? { durationS: this.random.whole(90, 1500) } : {};
    const body = {
      channel,
      outcome,
      intent: 'discover',
      ...durationS,
      ...(sequenceStep === undefined ? {} : { sequenceStep }),
      ...(occurredAt === undefined ? {} : { occurredAt }),
    };
    const done = yield* this.#lead('LogContactAttempt', body, this.#by());
    if (done.refused === null && this.random.chance(0.006) && !this.world.isPresent) yield* this.#correct(done);
  }

  *#correct({ events }: Done): Steps {
    const attempt = events.find(({ type }) => type === 'ContactAttempted');
    if (attempt === undefined) return;
    const occurredMs = this.#t;
    this.#t += 40 * 60_000;
    const body = {
      eventId: attempt.eventId,
      new: iso(occurredMs - 25 * 60_000),
      reason: 'The call was before lunch',
      approvedBy: OPS_LEAD,
    };
    yield* this.#lead('CorrectOccurredAt', body, OPS);
  }

  *#void({ events }: Done, type: string, reason: string): Steps {
    const transition = events.find((event) => event.type === type);
    if (transition === undefined) return;
    this.#t += this.random.between(0.3, 3) * HOUR_MS;
    yield* this.#lead('VoidTransition', { eventId: transition.eventId, reason, approvedBy: OPS_LEAD }, OPS);
    this.#restored = this.#isState('MQL');
  }

  get #state(): LeadStateName | null {
    return this.world.states.get(this.#leadId) ?? this.#told;
  }

  #isState(state: LeadStateName): boolean {
    return this.#state === state;
  }

  #isBeforeMql(): boolean {
    return this.#state === 'SUBSCRIBER' || this.#state === 'LEAD' || this.#state === 'PROSPECT';
  }

  *#lead(name: CommandName, body: object, by: Actor): Steps<Done> {
    return yield* this.#act({ of: 'lead', name, leadId: this.#leadId, body, by });
  }

  *#act(act: Act): Steps<Done> {
    const done = yield { atMs: this.#t, act };
    if (act.of === 'lead') this.#told = done.state;
    return done;
  }
}
