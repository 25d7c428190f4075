import type { ReplayFit, ReplayModel, ReplayOutput, ReplayScope } from './replay-model.js';
import { ALL_GATES, EVALUATED, LEAD_FLAGS, STEP, STEP_MASK, type ScoringHistory } from './scoring-history.js';

export type GeneratedLoop = (
  leads: ScoringHistory['leads'],
  steps: ScoringHistory['steps'],
  fit: ReplayFit,
  scope: ReplayScope,
  out: ReplayOutput,
  from: number,
  to: number,
  exact: (lead: number) => void,
) => void;

/** Beyond that a generated function costs more than it brings. */
const MOST_SUMS = 48;
const MOST_CELLS = 4_000_000;

/** What is summed up together: rules of one half-life without a cap, or one rule with one. */
interface RunningSum {
  /** Index into the half-lives; null: it does not decay. */
  readonly group: number | null;
  readonly cap: number;
  readonly isPenalty: boolean;
}

/** Entries of the table of powers: parts of one half-life. */
const PARTS = 1024;
/** 2^−1023 is nothing beside any sum of points. */
const MOST_HALF_LIVES = 1022;
const FRACTIONS = Float64Array.from({ length: PARTS }, (_, part) => 2 ** (-part / PARTS));
const WHOLES = Float64Array.from({ length: MOST_HALF_LIVES + 1 }, (_, whole) => 2 ** -whole);
/** Of e^(−z): what is left of the exponent is below 1 / PARTS, so that five terms are as good as a double. */
const LEFT = Math.LN2 / PARTS;

/**
 * One function for one model: it reads the columns once, in order. Made of numbers only: nothing that somebody wrote into a model
 * ever becomes code. Null: the model is too large for it.
 *
 * A sum is off by at most some 2⁻⁵² of all points counted so far per operation; `tolerance` is more than ten times that. A total
 * that lies so close to the middle of two milli-points is told to `exact`, with its lead.
 */
export function generatedLoop({ classes, classOf, fit, minTotalMp, model }: ReplayModel): GeneratedLoop | null {
  const { sums, sumOfRule } = runningSums(model);
  if (sums.length > MOST_SUMS || sums.length * classes.length > MOST_CELLS) return null;
  const width = Math.max(1, sums.length);
  const points = new Float64Array(classes.length * width);
  const magnitude = new Float64Array(classes.length);
  for (const [each, counting] of classes.entries()) {
    for (const one of counting) {
      points[each * width + sumOfRule[one.rule]!]! += one.points;
      magnitude[each]! += Math.abs(one.points);
    }
  }
  const mostFit = fit.points.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  const { engagementRange, onRecycled } = model.document;
  const perHalfLife = Array.from(model.halfLifeS, (halfLifeS) => PARTS / halfLifeS);
  const own = sums.map((_, n) => n);
  const decaying = own.filter((n) => sums[n]!.group !== null);
  const groups = [...new Set(decaying.map((n) => sums[n]!.group!))];
  const of = (group: number) => decaying.filter((n) => sums[n]!.group === group);
  const resets = onRecycled === 'reset_engagement' ? own.filter((n) => !sums[n]!.isPenalty) : [];
  const clearTo = (list: readonly number[]) => list.map((n) => `s${n} = 0;`).join(' ');

  /** Statements that set `factor` to 2^(−`seconds` / half-life). */
  const power = (factor: string, seconds: string, group: number) => `
      y = ${seconds} * ${number(perHalfLife[group]!)};
      if (y < ${MOST_HALF_LIVES * PARTS}) {
        k = y | 0;
        z = (y - k) * ${number(LEFT)};
        ${factor} = FRACTIONS[k & ${PARTS - 1}] * WHOLES[k >> 10] *
          (1 - z * (1 - z * (0.5 - z * (${number(1 / 6)} - z * ${number(1 / 24)}))));
      } else ${factor} = 0;`;
  const cappedSum = (n: number) => {
    const { cap, isPenalty } = sums[n]!;
    if (cap === Infinity) return `s${n}`;
    return isPenalty ? `(s${n} < ${number(-cap)} ? ${number(-cap)} : s${n})` : `(s${n} > ${number(cap)} ? ${number(cap)} : s${n})`; // prettier-ignore
  };
  const sumOf = (list: readonly number[]) => (list.length === 0 ? '0' : list.map(cappedSum).join(' + '));
  const total = `
      e = ${sumOf(own.filter((n) => !sums[n]!.isPenalty))};
      ${engagementRange === undefined ? '' : `e = e < ${number(engagementRange.min)} ? ${number(engagementRange.min)} : e > ${number(engagementRange.max)} ? ${number(engagementRange.max)} : e;`}
      v = (points + e + ${sumOf(own.filter((n) => sums[n]!.isPenalty))}) * 1000 + 0.5;`;

  const code = `'use strict';
return function replay(leads, steps, fit, scope, out, from, to, exact) {
  const { capturedAtS, cutStep, firstStep, flags } = leads;
  const { atS, kind, occurredAtS, value } = steps;
  const { enough, grade, points: fitPoints } = fit;
  const { asOfS, fromS, toS } = scope;
  const { crossedAtS, crossedGrade, crossedMp, crossedStep, cutGrade, cutMp, maxMp } = out;
  const nothing = fitPoints.length - 1;
  let y = 0, z = 0, k = 0, e = 0, v = 0, f = 0;
  for (let lead = from; lead < to; lead++) {
    const captured = capturedAtS[lead];
    if (captured < fromS || captured >= toS || (flags[lead] & ${LEAD_FLAGS.mergedAway}) !== 0) continue;
    const first = firstStep[lead];
    const cut = cutStep[lead];
    const share = (cut - first + 10) * 1e-11;
    let profile = nothing, points = fitPoints[nothing], open = true, ok = enough[nothing] !== 0;
    let last = 0, best = -Infinity, size = ${number(mostFit)}, crossed = 0, unsure = false;
    ${own.map((n) => `let s${n} = 0;`).join(' ')}
    for (let step = first; step < cut; step++) {
      const at = atS[step];
      if (at > asOfS) break;
      const passed = at - last;
      // History that was imported after something live: counted at other instants than it is read at.
      if (passed < 0) { unsure = true; break; }
      last = at;
      if (passed > 0) {${groups
        .map(
          (group) =>
            `${power('f', 'passed', group)} ${of(group)
              .map((n) => `s${n} *= f;`)
              .join(' ')}`,
        )
        .join('')}
      }
      const what = kind[step];
      if ((what & ${STEP_MASK}) === ${STEP.behaviour}) {
        const counted = classOf[value[step]];
        if (counted !== 0) {
          const cell = counted * ${width};
          const late = at - occurredAtS[step];
          size += magnitude[counted];
          if (late > 0) {${groups
            .map(
              (group) =>
                `${power('f', 'late', group)} ${of(group)
                  .map((n) => `s${n} += table[cell + ${n}] * f;`)
                  .join(' ')}`,
            )
            .join('')}
          } else { ${decaying.map((n) => `s${n} += table[cell + ${n}];`).join(' ')} }
          ${own
            .filter((n) => sums[n]!.group === null)
            .map((n) => `s${n} += table[cell + ${n}];`)
            .join(' ')}
        }
      } else if ((what & ${STEP_MASK}) === ${STEP.facts}) {
        profile = value[step];
        points = fitPoints[profile];
        ok = open && enough[profile] !== 0;
      } else if ((what & ${STEP_MASK}) === ${STEP.gates}) {
        open = (value[step] & ${ALL_GATES}) === ${ALL_GATES};
        ok = open && enough[profile] !== 0;
      } else if ((what & ${STEP_MASK}) === ${STEP.returned}) { ${clearTo(resets)} }
      else if ((what & ${STEP_MASK}) === ${STEP.restated}) { ${clearTo(own)} last = 0; }
      if (!ok || (what & ${EVALUATED}) === 0) continue;
      ${total}
      const tolerance = share * size;
      if (v < best + 1 - tolerance) continue;
      const mp = Math.floor(v);
      const part = v - mp;
      if (part < tolerance || part > 1 - tolerance) { unsure = true; break; }
      if (mp <= best) continue;
      best = mp;
      if (mp >= ${number(minTotalMp)} && crossed === 0) {
        crossed = at;
        crossedStep[lead] = step;
        crossedMp[lead] = mp;
        crossedGrade[lead] = grade[profile];
      }
    }
    ${total}
    const mp = Math.floor(v);
    const part = v - mp;
    const tolerance = share * size;
    if (unsure || part < tolerance || part > 1 - tolerance) { exact(lead); continue; }
    maxMp[lead] = best;
    crossedAtS[lead] = crossed;
    cutMp[lead] = mp;
    cutGrade[lead] = grade[profile];
  }
};`;
  // oxlint-disable-next-line no-new-func, no-implied-eval -- of numbers only; see above
  const make = new Function('classOf', 'table', 'magnitude', 'FRACTIONS', 'WHOLES', code) as (
    ...tables: readonly unknown[]
  ) => GeneratedLoop;
  return make(classOf, points, magnitude, FRACTIONS, WHOLES);
}

/** A number as code: the shortest digits that give the same double. */
function number(value: number): string {
  if (typeof value !== 'number' || Number.isNaN(value)) throw new TypeError('not a number');
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return value < 0 ? `(${String(value)})` : String(value);
}

function runningSums(model: ReplayModel['model']): { sums: RunningSum[]; sumOfRule: Uint16Array } {
  const sums: RunningSum[] = [];
  const sumOfRule = Uint16Array.from(model.ruleIds, (_, rule) => {
    const halfLifeS = model.halfLifeS[model.groupOf[rule]!]!;
    const group = halfLifeS === Infinity ? null : model.groupOf[rule]!;
    const cap = model.caps[rule]!;
    const isPenalty = rule >= model.penaltiesFrom;
    const alike = sums.findIndex((one) => one.cap === Infinity && cap === Infinity && one.group === group && one.isPenalty === isPenalty); // prettier-ignore
    return alike >= 0 ? alike : sums.push({ group, cap, isPenalty }) - 1;
  });
  return { sums, sumOfRule };
}
