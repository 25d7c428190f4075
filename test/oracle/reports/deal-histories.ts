import fc from 'fast-check';
import type { LeadEventType } from '#libs/lead/src/events.js';
import type { LeadStateName } from '#libs/lead/src/states.js';
import { Past, type PastLead } from '#libs/read-models/src/given-when-then.js';
import { BEGIN, DAY, HOUR, iso, stepsAround } from './lead-histories.js';
import { STAGES } from './money-world.js';

/**
 * Random deals that are moved, re-valued, verified, put off, held, sent back, resumed, won, lost, recycled, voided and corrected.
 */

interface Step {
  readonly lead: number;
  readonly pick: number;
  readonly minutes: number;
  readonly late: number;
  readonly value: number;
}
export const dealSteps = fc.array(
  fc.record({
    lead: fc.nat(2),
    pick: fc.nat(9999),
    minutes: fc.oneof(fc.nat(600), fc.nat(6000), fc.nat(30_000)),
    late: fc.oneof(fc.constant(0), fc.nat(6000)),
    value: fc.nat(999),
  }),
  { minLength: 1, maxLength: 120, size: 'max' },
);

interface Before {
  readonly dealId: string | null;
  readonly held: boolean;
}

/** A lead that plays by the rules of spec §3.3. */
class Player {
  readonly lead: PastLead;
  held = false;
  lastMs = 0;
  readonly stack: Before[] = [];
  readonly times = new Map<string, number>();

  constructor(past: Past) {
    this.lead = past.lead();
  }

  go(type: LeadEventType, to: LeadStateName, atMs: number, data: object = {}): void {
    this.stack.push({ dealId: this.lead.dealId, held: this.held });
    this.lead.transition(type as 'MarkedMQL', to, atMs, data);
    this.held = false;
    this.lastMs = atMs;
  }

  say(type: LeadEventType, atMs: number, data: object = {}): void {
    this.times.set(this.lead.fact(type, atMs, data), atMs);
  }

  play({ late, pick, value }: Step, nowMs: number): void {
    const { lead } = this;
    const atMs = Math.max(this.lastMs, nowMs - late * 60_000);
    const { dealId } = lead;
    const backdatedMs = nowMs - late * 60_000;
    if (lead.state === null) {
      this.stack.push({ dealId: null, held: false });
      lead.captured(atMs, { source: {} });
      this.lastMs = atMs;
      return;
    }
    const options: (() => void)[] = [
      () => this.say('BehaviourRecorded', backdatedMs, { kind: 'page_view' }),
      () => this.say('ContactAttempted', backdatedMs),
      () => this.say('LeadResponded', backdatedMs),
      () => lead.fact('OwnerAssigned', nowMs, { ownerId: value % 2 === 0 ? 'sam' : 'sue', teamId: 'sales' }),
      () => {
        const until = iso(backdatedMs + value * 6 * HOUR);
        lead.fact('ContactDeferred', backdatedMs, { until, requestedBy: value % 3 === 0 ? 'sales' : 'lead' });
      },
    ];
    const [corrected, oldMs] = [...this.times][value % Math.max(1, this.times.size)] ?? [];
    if (corrected !== undefined && oldMs !== undefined) {
      options.push(() => {
        const newMs = oldMs - (value % 50) * HOUR;
        this.times.set(corrected, newMs);
        lead.fact('OccurredAtCorrected', nowMs, { correctedEventId: corrected, old: iso(oldMs), new: iso(newMs) });
      });
    }
    if (lead.visits.length > 1) {
      options.push(
        () => {
          const before = this.stack.pop() as Before;
          lead.voided(nowMs);
          lead.dealId = before.dealId;
          const holdable = ['SAL', 'SQL', 'OPPORTUNITY'].includes(lead.state as string);
          this.held = holdable && (this.held || before.held);
        },
        () => {
          const index = 1 + (value % (lead.visits.length - 1));
          const visit = lead.visits[index] as { eventId: string; atMs: number };
          const [low, high] = stepsAround(lead, index, nowMs);
          const newMs = low + Math.floor(((high - low) * (value % 10)) / 10);
          const correction = { correctedEventId: visit.eventId, old: iso(visit.atMs), new: iso(newMs) };
          lead.fact('OccurredAtCorrected', nowMs, correction);
          visit.atMs = newMs;
          if (index === lead.visits.length - 1) this.lastMs = newMs;
        },
      );
    }
    const hold = (): void => {
      lead.fact(this.held ? 'ResumedFromHold' : 'PutOnHold', atMs);
      this.held = !this.held;
      this.lastMs = atMs;
    };
    const recycle = (): void => {
      const closed = dealId === null ? {} : { closedDealId: dealId };
      this.go('RecycledNotReady', 'RECYCLED', atMs, { reasonCode: 'timing', ...closed });
      lead.dealId = null;
    };
    const stage = STAGES[value % STAGES.length] as string;
    const money = { amountMinor: 1 + value * 7, currency: 'EUR' };
    switch (lead.state) {
      case 'LEAD':
      case 'RECYCLED':
        options.push(
          () => this.go('AcceptedBySales', 'SAL', atMs),
          () => this.go('MarkedSQL', 'SQL', atMs),
          () => this.go('MarkedSQL', 'SQL', atMs),
        );
        break;
      case 'SAL':
        options.push(hold, recycle, () => this.go('MarkedSQL', 'SQL', atMs));
        break;
      case 'SQL':
        options.push(hold);
        if (dealId !== null) {
          const resume = () => this.go('OpportunityResumed', 'OPPORTUNITY', atMs, { dealId, dealStage: stage });
          options.push(recycle, resume, resume);
          break;
        }
        for (let weight = 0; weight < 4; weight += 1) {
          options.push(() => {
            const opened = lead.newId('deal');
            const currency = value % 5 === 0 ? 'USD' : value % 7 === 0 ? 'GBP' : 'EUR';
            this.go('OpportunityOpened', 'OPPORTUNITY', atMs, {
              dealId: opened,
              amount: { ...money, currency },
              dealStage: stage,
              expectedCloseDate: iso(BEGIN + (value % 90) * DAY).slice(0, 10),
              horizon: value % 3 === 0 ? 'long' : 'short',
            });
            lead.dealId = opened;
          });
        }
        break;
      case 'OPPORTUNITY': {
        const change = (type: LeadEventType, when: number, more: object) => () =>
          this.say(type, when, { dealId, ...more });
        const stageChange = () => {
          // A transition as others are: nobody takes it out of its order (spec §9.4).
          lead.fact('DealStageChanged', atMs, { dealId: dealId as string, to: stage });
          this.lastMs = atMs;
        };
        options.push(
          hold,
          stageChange,
          stageChange,
          change('DealAmountChanged', backdatedMs, { new: money }),
          change('DealValueVerified', backdatedMs, { amount: money }),
          change('DealCloseDateChanged', backdatedMs, { new: iso(BEGIN + (value % 90) * DAY).slice(0, 10) }),
          () => this.go('OpportunityReturnedToQualification', 'SQL', atMs, { dealId }),
          recycle,
          () => {
            const amount = value % 4 === 0 ? null : money;
            this.go('DealWon', 'CUSTOMER', atMs, {
              dealId,
              amount,
              closedAt: iso(atMs),
              fxRateToReporting: value % 3 === 0 ? '0.81' : '1',
            });
            lead.dealId = null;
          },
          () => {
            this.go('DealLost', 'LOST', atMs, { dealId, amount: null, reasonCode: 'price', nurtureTouches: value % 5 });
            lead.dealId = null;
          },
        );
        break;
      }
      case 'CUSTOMER':
      case 'LOST':
        options.push(() => this.go('LeadReopened', 'LEAD', atMs));
        break;
      default:
    }
    options[pick % options.length]?.();
  }
}

export function playDeals(history: readonly Step[]): { past: Past; nowMs: number } {
  const past = new Past();
  const players = Array.from({ length: 3 }, () => new Player(past));
  let nowMs = BEGIN;
  for (const step of history) {
    // The extra millisecond tells the times of any two facts apart.
    nowMs += step.minutes * 60_000 + 1;
    (players[step.lead] as Player).play(step, nowMs);
  }
  return { past, nowMs: nowMs + 1 };
}
