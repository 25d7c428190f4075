import type { Rules } from './rule.js';

/** Work paused, stage kept (T21, spec §6.4). */

const DAY_MS = 86_400_000;

export const holdRules: Rules<'PutOnHold' | 'ResumeFromHold'> = {
  PutOnHold: {
    from: ['SAL', 'SQL', 'OPPORTUNITY'],
    transition: true,
    advances: true,
    decide(decision, { reasonCode, until, note }) {
      decision.reason('hold', reasonCode, note);
      const { atMs, lead, pipeline } = decision;
      const lastsMs = until === undefined ? 1 : Date.parse(until) - atMs;
      decision.guard(lastsMs > 0 && lastsMs <= pipeline.maxHoldDays * DAY_MS, 'HOLD_TOO_LONG', 'until when?', {
        field: 'until',
        maxDays: pipeline.maxHoldDays,
      });
      decision.record('PutOnHold', { reasonCode, until, note });
      for (const clock of lead.clocks.values()) decision.recordAll(decision.pause(clock, atMs, 'on_hold'));
    },
  },

  ResumeFromHold: {
    from: ['SAL', 'SQL', 'OPPORTUNITY'],
    offered: ({ onHold }) => onHold !== null,
    transition: true,
    decide(decision) {
      const { atMs, context, lead } = decision;
      const since = lead.onHold?.sinceMs;
      decision.guard(since !== undefined, 'NOT_ON_HOLD', 'the lead is not on hold');
      decision.record('ResumedFromHold', { heldForS: Math.floor((atMs - (since ?? atMs)) / 1000) });
      const deferredUntilMs = lead.deferredUntilMs ?? 0;
      for (const clock of lead.clocks.values()) {
        if (clock.status !== 'paused') continue;
        // The lead still asked for quiet: the hold's end does not wake the promise.
        const waits = deferredUntilMs > context.nowMs;
        decision.recordAll(
          waits ? decision.pause(clock, atMs, 'deferred_by_lead', deferredUntilMs) : decision.resume(clock, atMs),
        );
      }
    },
  },
};
