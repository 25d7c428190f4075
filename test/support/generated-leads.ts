import { randomUUID } from 'node:crypto';
import type { EventLog, NewEvent } from '#libs/event-log/src/event-log.js';
import { parseLeadCommand, type Actor, type CommandName } from '#libs/lead/src/commands.js';
import { decide } from '#libs/lead/src/decide.js';
import { LeadError } from '#libs/lead/src/errors.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { initialLead } from '#libs/lead/src/state.js';
import { defaultConfigEvents } from '#libs/policy/src/defaults.js';
import { PolicyBook } from '#libs/policy/src/policy-book.js';
import { ModelBook } from '#libs/scoring/src/model-book.js';

/** One command's events, as they go to the log. */
interface Step {
  readonly atMs: number;
  readonly events: string;
}

const DAY = 86_400_000;
const HOUR = 3_600_000;
const BEGIN = Date.parse('2025-01-06T08:00:00.000Z');
const TEMPLATES = 300;
const ADMIN: Actor = { type: 'user', id: 'ann', role: 'admin', teams: ['marketing', 'sales'] };
const YES = { value: 'yes', note: 'asked on the phone' };
const SOURCES = ['organic_search', 'paid_search', 'social', 'email', 'referral', 'display', 'fair'];

/**
 * Histories as the domain decides them: captured over four months, qualified, handed over, accepted or rejected, contacted,
 * won or lost. A few hundred are played; the others are copies with ids of their own.
 */
export async function appendGeneratedLeads(log: EventLog, leads: number): Promise<number> {
  const policies = new PolicyBook();
  for (const event of defaultConfigEvents(0)) policies.apply(event);
  const templates = Array.from({ length: Math.min(TEMPLATES, leads) }, (_, number) => playedLead(policies, number));
  const steps: { atMs: number; lead: number; step: Step }[] = [];
  for (let lead = 0; lead < leads; lead += 1) {
    for (const step of templates[lead % templates.length] as Step[]) steps.push({ atMs: step.atMs, lead, step });
  }
  // By time: a batch holds a few events of many leads, as live, and not one lead after the other.
  steps.sort((left, right) => left.atMs - right.atMs);
  const ids = Array.from({ length: leads }, () => new Map<string, string>());
  let events = 0;
  for (let from = 0; from < steps.length; from += 2_000) {
    const appends = steps.slice(from, from + 2_000).map(({ lead, step }) => {
      const own = ids[lead] as Map<string, string>;
      const text = step.events.replace(/@\d{4}@\w{30}/g, (placeholder) => {
        let id = own.get(placeholder);
        if (id === undefined) own.set(placeholder, (id = randomUUID()));
        return id;
      });
      const newEvents = JSON.parse(text) as NewEvent[];
      events += newEvents.length;
      return { stream: `lead-${own.get(placeholderId(0))}`, expectedRevision: 'any' as const, events: newEvents };
    });
    const results = await log.appendMany(appends);
    for (const result of results) if (result instanceof Error) throw result;
  }
  return events;
}

const placeholderId = (number: number): string => `@${String(number).padStart(4, '0')}@${'x'.repeat(30)}`;

function playedLead(policies: PolicyBook, number: number): Step[] {
  const chance = dice(number);
  const ids = new Map<string, string>();
  const idFor = (name: string): string => {
    const id = ids.get(name) ?? placeholderId(ids.size);
    ids.set(name, id);
    return id;
  };
  let lead = initialLead(idFor('lead'));
  let atMs = BEGIN + Math.floor(chance() * 120 * DAY);
  let revision = -1;
  const steps: Step[] = [];
  const give = (name: CommandName, afterMs: number, body: object = {}): boolean => {
    atMs += Math.floor(afterMs * (0.5 + chance()));
    const commandId = idFor(`command ${steps.length}`);
    const context = {
      nowMs: atMs,
      commandId,
      actor: ADMIN,
      policies,
      // Every generated lead takes the same course, whatever it scores.
      models: new ModelBook(),
      newId: (what: string) => idFor(`${commandId} ${what}`),
      eventId: (ordinal: number) => idFor(`${commandId} event ${ordinal}`),
    };
    try {
      const decided = decide(lead, parseLeadCommand(name, lead.leadId, body), context);
      const events = decided.map((event, ordinal): NewEvent => {
        const id = context.eventId(ordinal);
        revision += 1;
        lead = evolve(lead, event, { eventId: id, revision, recordedAtMs: atMs });
        const sealed = event.type === 'LeadCaptured' ? { sealed: 'pF0rM3v8a1k2bQ5xW9cYh7uJ0lT6nZ4s'.repeat(6) } : {};
        return { id, type: event.type, data: { ...event.data, ...sealed }, metadata: metadataOf(commandId, atMs) };
      });
      if (events.length > 0) steps.push({ atMs, events: JSON.stringify(events) });
      return true;
    } catch (error) {
      if (error instanceof LeadError) return false;
      throw error;
    }
  };

  give('CaptureLead', 0, {
    captureMethod: 'form',
    person: { email: `${number}@example.org` },
    interest: { kind: 'active', request: 'demo' },
    source: { channel: 'search', code: SOURCES[number % SOURCES.length] },
    location: { country: number % 3 === 0 ? 'BR' : 'DE' },
    consents: [{ purpose: 'email_marketing', basis: 'consent' }],
  });
  if (chance() < 0.5) give('RecordBehaviour', DAY, { kind: 'pricing_page' });
  if (chance() < 0.3) return steps;
  give('MarkMQL', DAY, { reason: 'fits' });
  give('HandOffToSales', HOUR);
  if (chance() < 0.15) {
    give('RejectLead', 4 * HOUR, { reasonCode: 'no_fit' });
    return steps;
  }
  give('AcceptLead', 5 * HOUR);
  give('LogContactAttempt', 20 * HOUR, { channel: 'phone', outcome: 'no_answer' });
  give('LogContactAttempt', DAY, { channel: 'phone', outcome: 'connected' });
  if (chance() < 0.3) return steps;
  give('MarkSQL', 2 * DAY, { qualification: { interest: YES, need: YES, budget: YES, authority: YES, timing: YES } });
  const amount = { amountMinor: 100_000 + number, currency: 'EUR' };
  give('OpenOpportunity', 3 * DAY, { amount, expectedCloseDate: '2025-12-31' });
  give('VerifyDealValue', 3 * DAY, { evidence: 'quote', amount });
  if (chance() < 0.6) give('WinDeal', 9 * DAY, { amount });
  else give('LoseDeal', 9 * DAY, { reasonCode: 'price' });
  return steps;
}

function metadataOf(commandId: string, recordedMs: number): NewEvent['metadata'] {
  return {
    schemaVersion: 1,
    commandId,
    commandHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    $correlationId: commandId,
    $causationId: commandId,
    actor: { type: 'user', id: 'ann', role: 'admin' },
    source: { system: 'api' },
    tenantId: 'ledger',
    policyRefs: { pipelineVersion: 1, agreementVersion: 1, calendarVersion: 1 },
    piiKeyId: commandId,
    recordedAt: new Date(recordedMs).toISOString(),
  };
}

/** The same numbers every time (mulberry32). */
function dice(seed: number): () => number {
  let state = seed + 0x6d2b79f5;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
