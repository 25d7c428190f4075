import { EventLogError, type AppendResult } from '#libs/event-log/src/event-log.js';
import type { LeadCommand } from '#libs/lead/src/commands.js';
import { LeadError } from '#libs/lead/src/errors.js';
import type { LeadEvent } from '#libs/lead/src/events.js';
import type { LeadCommandAnswer, LeadDecisions } from './lead-decisions.js';
import { type CommandOrigin, leadStream } from './lead-streams.js';

/**
 * RescoreLead on a lead that nobody works on: for the many that a new model scores and nothing more (spec §5.4). Scoring reads only
 * what is plain, so no key is asked for, no seal opened, and the lead is not kept in memory. One reading, one append.
 *
 * Null: nothing was written and the command has to take the usual way. The lead is in memory; the command was carried out before or
 * is refused; more is due than the score (a mark, a handoff, a clock), which may need what is sealed; or somebody was faster.
 * Errors: PolicyError, EventLogError.
 */
export function scoreAnew(
  decisions: LeadDecisions,
  command: LeadCommand,
  origin: CommandOrigin,
): Promise<LeadCommandAnswer | null> {
  const { leadId } = command;
  const { streams } = decisions;
  const { cache, log, turns } = streams.runtime;
  const stream = leadStream(leadId);
  return turns.take(stream, async () => {
    if (cache.has(stream)) return null;
    const recorded = await log.readStream(stream);
    if (recorded.some(({ metadata }) => metadata.commandId === origin.commandId)) return null;
    const lead = streams.foldPlain(leadId, recorded);
    let events: readonly LeadEvent[];
    try {
      events = decisions.decideOn(lead, lead.revision, command, origin);
    } catch (error) {
      if (error instanceof LeadError) return null;
      throw error;
    }
    if (events.some(({ type }) => type !== 'LeadScored')) return null;
    const answer = { leadId, state: lead.state, replayed: false };
    if (events.length === 0)
      return { ...answer, revision: lead.revision, position: recorded.at(-1)?.position ?? null, events: [] };
    const written = await streams.write(leadId, events, origin, lead);
    let result: AppendResult;
    try {
      result = await log.append({ stream, expectedRevision: lead.revision, events: written });
    } catch (error) {
      if (error instanceof EventLogError && error.code === 'WRONG_EXPECTED_REVISION') return null;
      throw error;
    }
    return { ...answer, ...result, events: written.map(({ id, type }) => ({ type, eventId: id })) };
  });
}
