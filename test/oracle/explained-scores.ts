import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import { effectiveRecordedAtMs } from '#libs/event-log/src/metadata.js';
import type { LeadEvent, LeadEventData } from '#libs/lead/src/events.js';
import { evolve } from '#libs/lead/src/evolve.js';
import { mayBeScored, scoredOf } from '#libs/lead/src/scoring.js';
import { initialLead, type LeadState } from '#libs/lead/src/state.js';
import { wholeSeconds } from '#libs/scoring/src/behaviours.js';
import type { CompiledModel } from '#libs/scoring/src/compile.js';
import type { ModelBook } from '#libs/scoring/src/model-book.js';
import { evaluate, explain } from '#libs/scoring/src/score.js';

/** Scores of leads at any instant: their explanation, their arithmetic by hand (spec §5.3), and what was recorded of them. */

export interface Tally {
  leads: number;
  /** Instants at which a lead could be scored. */
  instants: number;
  /** Of these, those with more than one part. */
  explained: number;
  /** Sums of one behaviour rule that were made by hand. */
  sums: number;
  /** LeadScored events. */
  recorded: number;
  readonly differences: string[];
}

/** One lead's stream, in its order. `instants`: ascending. */
export function checkLead(
  events: readonly RecordedEvent[],
  models: ModelBook,
  instants: readonly number[],
  tally: Tally,
): void {
  const [first] = events;
  if (first === undefined) return;
  const leadId = first.stream.slice('lead-'.length);
  tally.leads += 1;
  let lead = initialLead(leadId);
  let next = 0;
  for (const atMs of instants) {
    for (; next < events.length && recordedMs(events[next] as RecordedEvent) <= atMs; next += 1) {
      const event = events[next] as RecordedEvent;
      if (event.type === 'LeadScored') checkRecorded(lead, event, models, tally);
      lead = after(lead, event);
    }
    const model = models.inForce(atMs);
    if (lead.state !== null && model !== null && mayBeScored(lead))
      checkInstant(lead, events.slice(0, next), model, atMs, tally);
  }
  for (const event of events.slice(next)) {
    if (event.type === 'LeadScored') checkRecorded(lead, event, models, tally);
    lead = after(lead, event);
  }
}

const recordedMs = (event: RecordedEvent): number => effectiveRecordedAtMs(event);

function after(lead: LeadState, event: RecordedEvent): LeadState {
  const { data, id, revision, type } = event;
  return evolve(lead, { type, data } as unknown as LeadEvent, {
    eventId: id,
    revision,
    recordedAtMs: recordedMs(event),
  });
}

function checkInstant(
  lead: LeadState,
  events: readonly RecordedEvent[],
  model: CompiledModel,
  atMs: number,
  tally: Tally,
): void {
  const atS = wholeSeconds(atMs);
  const scored = scoredOf(lead, model);
  const score = evaluate(model, scored, atS);
  const { contributions, score: explained } = explain(model, scored, atS);
  const where = `${lead.leadId} at ${new Date(atMs).toISOString()}`;
  tally.instants += 1;
  if (contributions.length > 1) tally.explained += 1;
  const parts = contributions.reduce((sum, { mp }) => sum + mp, 0);
  if (parts !== score.total) tally.differences.push(`${where}: parts of ${parts} for a score of ${score.total}`);
  if (JSON.stringify(explained) !== JSON.stringify(score))
    tally.differences.push(`${where}: explained ${JSON.stringify(explained)}, evaluated ${JSON.stringify(score)}`);
  // A part is its rule's points, but for the largest remainders.
  for (const { mp, rawMp, ruleId, capped } of contributions)
    if (!capped && Math.abs(mp - rawMp) > 1) tally.differences.push(`${where}: ${ruleId} of ${rawMp} told as ${mp}`);
  const told = new Map(contributions.map(({ rawMp, ruleId }) => [ruleId, rawMp]));
  for (const [ruleId, byHand] of sumsByHand(model, events, atS)) {
    tally.sums += 1;
    if (Math.abs((told.get(ruleId) ?? 0) - byHand) > 1e-6 + 1)
      tally.differences.push(`${where}: ${ruleId} told as ${told.get(ruleId) ?? 0}, ${byHand} by hand`);
  }
}

interface Happened {
  readonly kind: string;
  readonly count: number;
  readonly occurredS: number;
}

/** What the stream tells of behaviours by now, each at its time as corrected by now; those of absorbed leads too (spec §2.6). */
function happened(events: readonly RecordedEvent[]): Happened[] {
  const corrected = new Map<string, string>();
  for (const { data, type } of events) {
    const { correctedEventId, new: to } = data as { correctedEventId: string; new: string };
    if (type === 'OccurredAtCorrected') corrected.set(correctedEventId, to);
  }
  const reverted = new Set(
    events.filter(({ type }) => type === 'MergeReverted').map(({ data }) => (data as { mergeId: string }).mergeId),
  );
  const last = new Map<string, RecordedEvent>();
  for (const event of events)
    if (event.type === 'DuplicateAbsorbed') last.set((event.data as { mergeId: string }).mergeId, event);
  return events.flatMap((event): Happened[] => {
    const { id, type } = event;
    const data = event.data as unknown as LeadEventData<'BehaviourRecorded'>;
    const occurredS = wholeSeconds(Date.parse(corrected.get(id) ?? data.occurredAt));
    if (type === 'BehaviourRecorded') return [{ kind: data.kind, count: data.count, occurredS }];
    if (type === 'LeadResponded') return [{ kind: 'reply', count: 1, occurredS }];
    if (type !== 'DuplicateAbsorbed') return [];
    const { behaviours, mergeId } = event.data as unknown as LeadEventData<'DuplicateAbsorbed'>;
    if (reverted.has(mergeId) || last.get(mergeId) !== event) return [];
    return behaviours.map(({ count, kind, occurredAt }) => ({
      kind,
      count,
      occurredS: wholeSeconds(Date.parse(occurredAt)),
    }));
  });
}

/** Σ points · count · 2^(−age / half-life) of each rule that asks for nothing but a kind, in milli-points, uncapped. */
function sumsByHand(model: CompiledModel, events: readonly RecordedEvent[], atS: number): [string, number][] {
  const { behaviour, onRecycled, penalty } = model.document;
  if (onRecycled !== 'keep') return [];
  const facts = happened(events);
  return [...behaviour, ...penalty]
    .filter(({ where }) => where.length === 0)
    .map(({ halfLifeDays, id, on, points }) => {
      const raw = facts
        .filter(({ kind }) => kind === on)
        .reduce((sum, { count, occurredS }) => {
          const decay = halfLifeDays === null ? 1 : 2 ** (-(atS - occurredS) / (halfLifeDays * 86_400));
          return sum + points * count * decay;
        }, 0);
      return [id, Math.round(raw * 1000)];
    });
}

/** What was recorded of a score is what it was: under the model and at the instant that the record names. */
function checkRecorded(lead: LeadState, event: RecordedEvent, models: ModelBook, tally: Tally): void {
  const { band, engagement, fit, grade, modelId, modelVersion, occurredAt, penalties, total } =
    event.data as unknown as LeadEventData<'LeadScored'>;
  const model = models.get(modelId, modelVersion);
  const recorded = JSON.stringify({ fit, engagement, penalties, total, grade, band });
  tally.recorded += 1;
  if (model === null) {
    tally.differences.push(`${event.stream}@${event.revision}: no model ${modelId} ${modelVersion}`);
    return;
  }
  const now = evaluate(model, scoredOf(lead, model), wholeSeconds(Date.parse(occurredAt)));
  const evaluated = JSON.stringify({
    fit: now.fit,
    engagement: now.engagement,
    penalties: now.penalties,
    total: now.total,
    grade: now.grade,
    band: now.band,
  });
  if (recorded !== evaluated)
    tally.differences.push(`${event.stream}@${event.revision}: recorded ${recorded}, evaluated ${evaluated}`);
}
