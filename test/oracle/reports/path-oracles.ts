import { LADDER, LEAD_STATES, type LeadStateName, RANK } from '#libs/lead/src/states.js';
import type { ReportName } from '#libs/read-models/src/reports.js';
import { DAY, HOUR } from './lead-histories.js';
import { type Item, type Oracle, reached, unitsOf, within } from './oracle.js';
import { counted, distinct, named, rated, spreadOf } from './plain-figures.js';
import { before, data, kindOfExit, offersOf, type OracleVisit, visitsBy, wayOut, WAYS_OUT } from './told-leads.js';

/** 7.1–7.4, 7.13, 7.14, 7.27, 7.28, 7.30: what is counted along the paths of leads. */

export const HORIZON_MS = 20 * DAY;

export const ORACLES = {
  stock: {
    items: (leads, { asOfMs }) =>
      leads.flatMap((lead) => {
        const visit = visitsBy(lead, asOfMs).at(-1);
        return visit === undefined ? [] : [{ leadId: lead.leadId, dims: lead.dims, atMs: 0, state: visit.state }];
      }),
    figures: (items) => ({
      leads: counted(items),
      states: Object.fromEntries(LEAD_STATES.map((s) => [s, counted(items.filter(({ state }) => state === s))])),
    }),
  },
  funnel: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const cycles = [...new Set(visits.map(({ cycle }) => cycle))];
        const units =
          asked.choices.basis === 'cycle' ? cycles.map((n) => visits.filter(({ cycle }) => cycle === n)) : [visits];
        return units.flatMap((unit) =>
          LADDER.flatMap((from) => {
            const atMs = reached(unit, from, asked.choices.mode as string);
            if (atMs === null || !within(asked, atMs)) return [];
            const to = LADDER.filter((state) => reached(unit, state, asked.choices.mode as string) !== null);
            return [{ leadId: lead.leadId, dims: lead.dims, atMs, from, to }];
          }),
        );
      }),
    figures: (items) => ({
      reached: Object.fromEntries(LADDER.map((s) => [s, counted(items.filter(({ from }) => from === s))])),
      conversions: LADDER.flatMap((a, index) =>
        LADDER.slice(index + 1).map((b) => {
          const cohort = items.filter(({ from }) => from === a);
          return {
            from: a,
            to: b,
            ...rated(
              cohort.filter(({ to }) => to.includes(b)),
              cohort,
            ),
          };
        }),
      ),
    }),
  },
  flow: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const { mode, basis } = asked.choices;
        const item = (state: LeadStateName, atMs: number) => ({ leadId: lead.leadId, dims: lead.dims, atMs, state });
        const all: Item[] = [];
        const cycles = basis === 'cycle' ? [...new Set(visits.map(({ cycle }) => cycle))] : [null];
        if (mode === 'strict' && basis === 'visit') {
          all.push(...visits.map(({ state, enteredMs }) => item(state, enteredMs)));
        } else {
          for (const cycle of cycles) {
            const unit = visits.filter((visit) => cycle === null || visit.cycle === cycle);
            for (const state of mode === 'strict' ? LEAD_STATES : LADDER) {
              const atMs = reached(unit, state, mode as string);
              if (atMs !== null) all.push(item(state, atMs));
            }
          }
        }
        return all.filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const into = (s: string) => items.filter(({ state }) => state === s);
      return {
        entries: Object.fromEntries(LEAD_STATES.map((s) => [s, counted(into(s))])),
        conversions: LADDER.flatMap((a, i) =>
          LADDER.slice(i + 1).map((b) => ({ from: a, to: b, ...rated(into(b), into(a)) })),
        ),
      };
    },
  },
  'stage-durations': {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        lead.visits
          .filter(({ exitedMs }) => exitedMs !== null && exitedMs <= asked.asOfMs && within(asked, exitedMs))
          .map((visit) => {
            const to = visit.exitedMs as number;
            let ms = to - visit.enteredMs;
            if (asked.choices.duration === 'active') {
              // Minute by minute: holds may lie over each other after a void. Every time here is a whole minute but the corrected.
              const edges = [visit.enteredMs, to, ...lead.holds.flatMap((hold) => [hold.sinceMs, hold.endMs])]
                .filter((edge) => edge >= visit.enteredMs && edge <= to)
                .sort((a, b) => a - b);
              for (let i = 0; i + 1 < edges.length; i += 1) {
                const [a, b] = [edges[i] as number, edges[i + 1] as number];
                if (lead.holds.some((hold) => hold.sinceMs <= a && hold.endMs >= b)) ms -= b - a;
              }
            }
            return { leadId: lead.leadId, dims: lead.dims, atMs: to, state: visit.state, kind: kindOfExit(visit), ms };
          }),
      ),
    figures: (items) => ({
      stages: LEAD_STATES.filter((s) => items.some(({ state }) => state === s)).map((s) => {
        const here = items.filter(({ state }) => state === s);
        const durations = (some: readonly Item[]) => ({
          ...spreadOf(
            some.map(({ ms }) => ms),
            HOUR,
          ),
          leads: distinct(some),
        });
        const kinds = ['forward', 'back', 'rejected', 'recycled', 'again', 'lost', 'disqualified', 'junk', 'merged'];
        return {
          state: s,
          visits: durations(here),
          byExit: kinds
            .filter((k) => here.some(({ kind }) => kind === k))
            .map((k) => ({ exitKind: k, ...durations(here.filter(({ kind }) => kind === k)) })),
          leadSums: distinct(here).map((id) =>
            here.filter(({ leadId }) => leadId === id).reduce((sum, { ms }) => sum + ms, 0),
          ),
        };
      }),
    }),
  },
  leak: {
    items: (leads, asked) =>
      leads.flatMap((lead) =>
        unitsOf(lead, asked).flatMap((unit) =>
          LADDER.slice(0, -1).flatMap((stage, index) => {
            const atMs = reached(unit, stage, asked.choices.mode as string);
            if (atMs === null || !within(asked, atMs)) return [];
            const last = unit.at(-1) as OracleVisit;
            const advanced = reached(unit, LADDER[index + 1] as LeadStateName, 'reached') !== null;
            const what = advanced ? 'advanced' : (wayOut(last) ?? 'inside');
            return [{ leadId: lead.leadId, dims: lead.dims, atMs, stage, what, reason: data(last.event).reasonCode }];
          }),
        ),
      ),
    figures: (items) => ({
      stages: LADDER.slice(0, -1).map((s) => {
        const here = items.filter(({ stage }) => stage === s);
        const left = here.filter(({ what }) => what !== 'advanced' && what !== 'inside');
        return {
          stage: s,
          reached: counted(here),
          advanced: rated(
            here.filter(({ what }) => what === 'advanced'),
            here,
          ),
          leak: rated(left, here),
          inside: rated(
            here.filter(({ what }) => what === 'inside'),
            here,
          ),
          exits: Object.values(WAYS_OUT)
            .filter((way) => left.some(({ what }) => what === way))
            .map((exitKind) => {
              const these = left.filter(({ what }) => what === exitKind);
              const reasons = named(these, ({ reason }) => reason);
              return {
                exitKind,
                ...rated(these, here),
                reasons: reasons.map(([reasonCode, some]) => ({ reasonCode, ...rated(some, here) })),
              };
            }),
        };
      }),
    }),
  },
  returns: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const cycles = unitsOf(lead, { ...asked, choices: { basis: 'cycle' } }).flatMap((unit) => {
          const accepted = unit.find(({ state }) => state === 'SAL');
          if (accepted === undefined) return [];
          const exit = unit.find(
            (visit) =>
              ['recycled', 'disqualified'].includes(wayOut(visit) as string) &&
              ['SAL', 'SQL'].includes(before(lead, visit)?.state as string),
          );
          const offers = offersOf(lead).filter(({ visit }) => unit.includes(visit));
          const last = offers.at(-1);
          const sinceMs = last === undefined ? (unit[0] as OracleVisit).enteredMs : lead.timeOf(last.offer);
          const attempted = lead.events.some(
            (e) =>
              e.type === 'ContactAttempted' && lead.timeOf(e) >= sinceMs && lead.timeOf(e) <= (exit?.enteredMs ?? 0),
          );
          const end = exit === undefined ? null : wayOut(exit);
          return [{ leadId: lead.leadId, dims: lead.dims, atMs: accepted.enteredMs, end, attempted }];
        });
        const units = asked.choices.basis === 'cycle' ? cycles : cycles.slice(0, 1);
        return units
          .map((item) => {
            const sentBack = cycles.find(({ end }) => end !== null);
            if (asked.choices.basis === 'cycle' || sentBack === undefined) return item;
            return { ...item, end: sentBack.end, attempted: sentBack.attempted };
          })
          .filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const back = items.filter(({ end }) => end !== null);
      const by = (kind: string) => back.filter(({ end }) => end === kind);
      return {
        accepted: counted(items),
        returned: rated(back, items),
        recycled: rated(by('recycled'), items),
        disqualified: rated(by('disqualified'), items),
        withoutAttempt: rated(
          back.filter(({ attempted }) => !attempted),
          back,
        ),
      };
    },
  },
  recycling: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const visits = visitsBy(lead, asked.asOfMs);
        const item = (atMs: number, more: object) => ({ leadId: lead.leadId, dims: lead.dims, atMs, ...more });
        const cohort = unitsOf(lead, asked).flatMap((unit) => {
          const accepted = unit.find(({ state }) => state === 'SAL');
          const recycled = unit.some((visit) => wayOut(visit) === 'recycled' && before(lead, visit)?.state !== 'LOST');
          return accepted === undefined ? [] : [item(accepted.enteredMs, { what: 'accepted', recycled })];
        });
        const sentBack = visits.filter((visit) => wayOut(visit) === 'recycled');
        const recycles = sentBack.map((visit, index) => {
          const since = visits.slice(visits.indexOf(visit) + 1);
          const next = sentBack[index + 1];
          const until = next === undefined ? since : since.slice(0, since.indexOf(next));
          const back = until.find(({ state }) => RANK[state] >= RANK.MQL);
          const ms = back === undefined ? null : back.enteredMs - visit.enteredMs;
          const inTime = ms !== null && ms <= HORIZON_MS;
          const young = ms === null && visit.enteredMs + HORIZON_MS > asked.asOfMs;
          return item(visit.enteredMs, {
            what: 'recycle',
            fate: inTime ? 'back' : young ? 'immature' : 'gone',
            ms,
            won: until.some(({ state }) => state === 'CUSTOMER'),
            reason: data(visit.event).reasonCode,
          });
        });
        return [...cohort, ...recycles].filter(({ atMs }) => within(asked, atMs));
      }),
    figures: (items) => {
      const cohort = items.filter(({ what }) => what === 'accepted');
      const recycles = items.filter(({ what }) => what === 'recycle');
      const rates = (some: readonly Item[]) => {
        const back = some.filter(({ fate }) => fate === 'back');
        return {
          resurrection: rated(back, some),
          ofMature: rated(
            back,
            some.filter(({ fate }) => fate !== 'immature'),
          ),
          immature: counted(some.filter(({ fate }) => fate === 'immature')),
        };
      };
      const back = recycles.filter(({ fate }) => fate === 'back');
      return {
        recycled: rated(
          cohort.filter(({ recycled }) => recycled),
          cohort,
        ),
        ...rates(recycles),
        daysToReentry: {
          ...spreadOf(
            back.map(({ ms }) => ms),
            DAY,
          ),
          leads: distinct(back),
        },
        recycledToWon: rated(
          recycles.filter(({ won }) => won),
          recycles,
        ),
        reasons: named(recycles, ({ reason }) => reason).map(([reasonCode, some]) => {
          const returned = some.filter(({ fate }) => fate === 'back').length;
          const seeded = reasonCode === 'no_initiative';
          return {
            reasonCode,
            ...rates(some),
            benchmark: seeded ? 0.4 : null,
            meetsBenchmark: seeded ? 10 * returned >= 4 * some.length : null,
          };
        }),
      };
    },
  },
  prospects: {
    items: (leads, asked) =>
      leads.flatMap((lead) => {
        const [captured] = visitsBy(lead, asked.asOfMs);
        if (captured === undefined || !within(asked, captured.enteredMs)) return [];
        const atMs = captured.enteredMs;
        const voided = new Set(lead.events.map((e) => data(e).voidedEventId));
        const answer = lead.events.find((e) => e.type === 'BecameProspect' && !voided.has(e.id));
        const inTime = answer !== undefined && lead.timeOf(answer) <= asked.asOfMs;
        return [{ leadId: lead.leadId, dims: lead.dims, atMs, ms: inTime ? lead.timeOf(answer) - atMs : null }];
      }),
    figures: (items) => {
      const answered = items.filter(({ ms }) => ms !== null);
      return {
        captured: counted(items),
        prospects: rated(answered, items),
        daysToTwoWay: {
          ...spreadOf(
            answered.map(({ ms }) => ms),
            DAY,
          ),
          leads: distinct(answered),
        },
      };
    },
  },
} satisfies Partial<Record<ReportName, Oracle>>;
