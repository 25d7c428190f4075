import type { NurtureTrack, TrackKind } from '#libs/policy/src/engagement.js';
import { consentsOf } from './absorption.js';
import type { CommandBody } from './commands.js';
import type { Decision } from './decision.js';
import { engage, policyMode, type ApproachTrack } from './engagement-policies.js';
import { LeadError } from './errors.js';
import type { LeadEventData } from './events.js';
import type { Rules } from './rule.js';
import { isOpenClock, type SlaClock } from './sla-clocks.js';
import type { LeadState } from './state.js';

/** Planned marketing communication with a lead (spec §1 Nurture, §4.2): on which track it is, and what was sent to it. */

const isKeptUp = ({ state }: LeadState): boolean => state !== 'JUNK';

export const nurtureRules: Rules<'EnrolInNurture' | 'ExitNurture' | 'LogNurtureTouch'> = {
  EnrolInNurture: {
    offered: isKeptUp,
    stops: (decision) => [promisedReengagement(decision)],
    decide(decision, body) {
      const { lead } = decision;
      const trackId = body.trackId ?? destinationOf(lead) ?? fittingTrack(decision)?.trackId;
      const track = requireTrack(decision, trackId);
      const promised = promisedReengagement(decision);
      const isOnIt = lead.nurture?.trackId === track.trackId;
      if (isOnIt && (promised === undefined || !isOpenClock(promised))) return;
      const kind = track.listed?.kind ?? body.trackKind ?? usualKind(lead);
      requireAllowed(decision, track);
      if (usesEmail(track.listed)) requireEmailConsent(decision);
      const policyWarnings = engage(decision, { does: 'enrol', track: declaredBy(track.listed, kind, body, lead) });
      if (lead.nurture !== null && !isOnIt) exitNurture(decision, 'completed');
      const { personaId, segmentId, journeyStage } = { ...track.listed, ...body };
      const eventId = decision.record('EnrolledInNurture', {
        trackId: track.trackId,
        trackKind: kind,
        personaId,
        segmentId,
        journeyStage,
        goal: body.goal ?? track.listed?.name ?? kind,
        policyWarnings,
      });
      decision.recordAll(decision.stop(promised, eventId));
    },
  },

  ExitNurture: {
    offered: ({ nurture }) => nurture !== null,
    decide(decision, { trackId, reason }) {
      const { nurture } = decision.lead;
      if (nurture === null || (trackId ?? nurture.trackId) !== nurture.trackId) {
        throw new LeadError('UNKNOWN_TRACK', 'the lead is not on such a track', {
          field: 'trackId',
          trackId: nurture?.trackId,
        });
      }
      const policyWarnings = engage(decision, { does: 'exit', explained: reason !== undefined });
      decision.record('NurtureExited', { trackId: nurture.trackId, reason: reason ?? 'completed', policyWarnings });
    },
  },

  LogNurtureTouch: {
    offered: isKeptUp,
    stops: (decision) => [promisedReengagement(decision)],
    decide(decision, body) {
      const { lead } = decision;
      const { nurture } = lead;
      const track = requireTrack(decision, body.trackId ?? nurture?.trackId ?? destinationOf(lead));
      const isOnIt = nurture?.trackId === track.trackId;
      const kind = track.listed?.kind ?? (isOnIt ? nurture.trackKind : usualKind(lead));
      requireAllowed(decision, track);
      const { channel, contentId, oneToMany } = body;
      if (channel === 'email') requireEmailConsent(decision);
      const policyWarnings = engage(decision, { does: 'touch', kind, oneToMany });
      const step = body.step ?? (isOnIt ? nurture.touches : 0) + 1;
      const eventId = decision.record('NurtureTouchSent', {
        trackId: track.trackId,
        step,
        channel,
        contentId: contentId ?? track.listed?.steps.find((planned) => planned.step === step)?.contentId,
        oneToMany,
        policyWarnings,
      });
      decision.recordAll(decision.stop(promisedReengagement(decision), eventId));
    },
  },
};

interface Track {
  readonly trackId: string;
  /** Null: the pipeline lists no tracks, so any is taken as it is named. */
  readonly listed: NurtureTrack | null;
}

/** @throws LeadError UNKNOWN_TRACK, VALIDATION_FAILED when none is named */
export function requireTrack({ isImport, pipeline }: Decision, trackId: string | undefined, field = 'trackId'): Track {
  if (trackId === undefined) {
    throw new LeadError('VALIDATION_FAILED', 'which track?', { fields: [{ field, rule: 'is missing' }] });
  }
  const { tracks } = pipeline;
  const listed = tracks.find((track) => track.trackId === trackId) ?? null;
  if (listed !== null || tracks.length === 0 || isImport) return { trackId, listed };
  const known = tracks.map((track) => track.trackId);
  throw new LeadError('UNKNOWN_TRACK', `${trackId} is no track; there are ${known.join(', ')}`, { field, known });
}

/** @throws LeadError TRACK_NOT_ALLOWED */
function requireAllowed({ lead }: Decision, { listed, trackId }: Track): void {
  const { state } = lead;
  const { allowedStates, bands, grades } = listed ?? {};
  if (state === 'JUNK' || allowedStates?.includes(state ?? '') === false) {
    throw new LeadError('TRACK_NOT_ALLOWED', `track ${trackId} is not for a lead in ${state}`, {
      field: 'trackId',
      allowedStates,
    });
  }
  if (listed === null || suitsScore(listed, lead)) return;
  const { band, grade } = scoreOf(lead);
  throw new LeadError('TRACK_NOT_ALLOWED', `track ${trackId} is not for a lead of grade ${grade} that is ${band}`, {
    field: 'trackId',
    grades,
    bands,
  });
}

const scoreOf = ({ score }: LeadState) => score ?? ({ grade: 'U', band: 'cold' } as const);

function suitsScore({ bands, grades }: NurtureTrack, lead: LeadState): boolean {
  const { band, grade } = scoreOf(lead);
  return bands?.includes(band) !== false && grades?.includes(grade) !== false;
}

/** The first track that asks for a grade or band and suits the lead; undefined: somebody has to name one. */
function fittingTrack({ lead, pipeline }: Decision): NurtureTrack | undefined {
  return pipeline.tracks.find(
    (track) =>
      (track.grades ?? track.bands) !== undefined &&
      suitsScore(track, lead) &&
      track.allowedStates?.includes(lead.state ?? '') !== false &&
      (track.personaId === undefined || lead.personaId === null || track.personaId === lead.personaId),
  );
}

/** Any legal basis that was given for it, at the capture or since, and not withdrawn (spec §9.2). */
function mayBeMailed(lead: LeadState): boolean {
  return consentsOf(lead).get('email_marketing') === 'granted';
}

/** @throws LeadError NO_CONSENT */
export function requireEmailConsent(decision: Decision): void {
  decision.guard(mayBeMailed(decision.lead), 'NO_CONSENT', 'there is no legal basis to send marketing e-mail', {
    field: 'channel',
    purpose: 'email_marketing',
  });
}

/** Marketing goes by e-mail unless its steps say otherwise. */
const usesEmail = (track: NurtureTrack | null): boolean =>
  track === null || track.steps.length === 0 || track.steps.some(({ channel }) => channel === 'email');

const destinationOf = ({ nurtureDestination, state }: LeadState): string | undefined =>
  state === 'RECYCLED' ? (nurtureDestination ?? undefined) : undefined;

/** Of a track that nobody described. */
function usualKind({ state }: LeadState): TrackKind {
  switch (state) {
    case 'SUBSCRIBER':
    case 'LEAD':
    case 'PROSPECT':
      return 'education';
    case 'RECYCLED':
    case 'LOST':
    case 'DISQUALIFIED':
      return 'reengagement';
    default:
      return 'problem_solution';
  }
}

/** What EP-10 is judged by: what the pipeline says of the track, else what the command says and is known of the lead. */
function declaredBy(
  listed: NurtureTrack | null,
  kind: TrackKind,
  body: CommandBody<'EnrolInNurture'>,
  { goal }: LeadState,
): ApproachTrack {
  if (listed === null) {
    const { journeyStage, personaId, segmentId } = body;
    return { kind, oneToMany: kind === 'drip', journeyStage, personaId, segmentId, challengeCode: goal?.challengeCode };
  }
  const { challengeCode, journeyStage, personaId, segmentId, steps } = listed;
  const oneToMany = steps.length === 0 ? kind === 'drip' : steps.some((step) => step.oneToMany);
  return { kind, oneToMany, journeyStage, personaId, segmentId, challengeCode };
}

/** Marketing's promise to take the lead up again, if what happens now came after it was made. */
function promisedReengagement(decision: Decision): SlaClock | undefined {
  const clock = decision.clock('recycle_reengagement');
  return clock !== undefined && clock.startedAtMs <= decision.atMs ? clock : undefined;
}

/** Ends the track the lead is on, if any. */
export function exitNurture(decision: Decision, reason: LeadEventData<'NurtureExited'>['reason']): void {
  const { nurture } = decision.lead;
  if (nurture !== null) decision.record('NurtureExited', { trackId: nurture.trackId, reason });
}

/** The pipeline's own track for leads that are out of the funnel (EP-11); undefined: none, or the policy is off. */
export function defaultReengagementTrack(
  { lead, pipeline, state }: Decision,
  inState = state,
): NurtureTrack | undefined {
  if (policyMode(pipeline, 'EP-11') === 'off') return undefined;
  return pipeline.tracks.find(
    (track) =>
      track.kind === 'reengagement' && track.allowedStates?.includes(inState) !== false && suitsScore(track, lead),
  );
}

const REENGAGEMENT = 'system:reengagement';

/** EP-11: a lost lead goes on the pipeline's re-engagement track by itself, where it may be written to. */
export function reengageLost(decision: Decision): void {
  const { isImport, lead } = decision;
  const track = isImport ? undefined : defaultReengagementTrack(decision);
  if (track === undefined || lead.nurture?.trackId === track.trackId || (usesEmail(track) && !mayBeMailed(lead)))
    return;
  const { journeyStage, kind, name, personaId, segmentId, trackId } = track;
  decision.asPolicy(REENGAGEMENT, decision.atMs, () => {
    exitNurture(decision, 'completed');
    const own = { trackId, trackKind: kind, personaId, segmentId, journeyStage, goal: name ?? kind };
    decision.record('EnrolledInNurture', own);
  });
}
