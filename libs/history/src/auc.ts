export interface AucDifference {
  /** AUC of the first minus AUC of the second. */
  readonly difference: number;
  /** 95 %. */
  readonly interval: readonly [low: number, high: number];
}

const Z = 1.959963984540054;

/** Probability that a positive scores higher than a negative, equals counting half; null without either. */
export function aucOfScores(scores: Float64Array, labels: Uint8Array): number | null {
  const { ofNegatives, ofPositives } = placements(scores, labels);
  return ofPositives.length === 0 || ofNegatives.length === 0 ? null : mean(ofPositives);
}

/**
 * The difference of two scores' AUC on the same leads, with the interval of DeLong, DeLong and Clarke-Pearson (1988) by the midrank
 * formulation of Sun and Xu (2014). Needs a positive and a negative.
 */
export function compareAuc(first: Float64Array, second: Float64Array, labels: Uint8Array): AucDifference {
  const [a, b] = [placements(first, labels), placements(second, labels)];
  const positives = a.ofPositives.map((value, n) => value - b.ofPositives[n]!);
  const negatives = a.ofNegatives.map((value, n) => value - b.ofNegatives[n]!);
  const difference = mean(positives);
  const error = Math.sqrt(variance(positives) / positives.length + variance(negatives) / negatives.length);
  return { difference, interval: [difference - Z * error, difference + Z * error] };
}

/** Of each positive the share of negatives below it, of each negative the share of positives above it; equals counting half. */
function placements(scores: Float64Array, labels: Uint8Array) {
  const positives = scores.filter((_, n) => labels[n] === 1);
  const negatives = scores.filter((_, n) => labels[n] === 0);
  const among = midranks(scores);
  const amongPositives = midranks(positives);
  const amongNegatives = midranks(negatives);
  const ofPositives = new Float64Array(positives.length);
  const ofNegatives = new Float64Array(negatives.length);
  let [p, q] = [0, 0];
  for (let n = 0; n < scores.length; n++) {
    if (labels[n] === 1) {
      ofPositives[p] = (among[n]! - amongPositives[p]!) / negatives.length;
      p++;
    } else {
      ofNegatives[q] = 1 - (among[n]! - amongNegatives[q]!) / positives.length;
      q++;
    }
  }
  return { ofPositives, ofNegatives };
}

/** 1 for the lowest; equals share the middle of their ranks. */
function midranks(scores: Float64Array): Float64Array {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => compare(scores[a]!, scores[b]!));
  const ranks = new Float64Array(scores.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    for (let n = from; n < to; n++) ranks[order[n]!] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

/** A plain difference would be NaN for two that were never scored (−Infinity). */
const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function variance(values: Float64Array): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}
