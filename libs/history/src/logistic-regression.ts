import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Rows that name only what is not 0: row n has the entries [firstEntry[n], firstEntry[n + 1]). */
export interface SparseRows {
  readonly features: number;
  readonly firstEntry: Uint32Array;
  readonly feature: Uint16Array;
  readonly value: Float64Array;
}

export interface LogisticFit {
  readonly intercept: number;
  /** By feature, in the features' own units. */
  readonly weights: Float64Array;
  /** Of each weight, from the curvature of the penalised likelihood; 0 for a feature that never varies. */
  readonly standardErrors: Float64Array;
  /** Mean negative log-likelihood, without the penalty. */
  readonly logLoss: number;
  readonly iterations: number;
  readonly converged: boolean;
}

export interface LogisticOptions {
  /** Strength of the penalty ½ · l2 · Σ w², on weights of features scaled to a standard deviation of 1; the intercept is free. */
  readonly l2: number;
  readonly maxIterations?: number;
}

const MAX_ITERATIONS = 30;
const TOLERANCE = 1e-9;
const MOST_HALVINGS = 12;

/**
 * Logistic regression with L2 by iteratively reweighted least squares (Newton's method on the penalised likelihood; see Hastie,
 * Tibshirani, Friedman, "The Elements of Statistical Learning", §4.4.1). Deterministic. A feature that never varies gets weight 0.
 */
export function fitLogistic(
  rows: SparseRows,
  labels: Uint8Array,
  { l2, maxIterations = MAX_ITERATIONS }: LogisticOptions,
): LogisticFit {
  const scales = standardDeviations(rows, labels.length);
  const size = rows.features + 1;
  let parameters: Float64Array = new Float64Array(size);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const prior = Math.min(Math.max(positives / Math.max(1, labels.length), 1e-6), 1 - 1e-6);
  parameters[0] = Math.log(prior / (1 - prior));
  let objective = objectiveOf(rows, labels, parameters, scales, l2);
  let iterations = 0;
  let converged = false;
  while (!converged && iterations < maxIterations) {
    iterations++;
    const { gradient, hessian } = curvature(rows, labels, parameters, scales, l2);
    const step = new CholeskyDecomposition(hessian).solve(gradient).to1DArray();
    let share = 1;
    let next = moved(parameters, step, share);
    let reached = objectiveOf(rows, labels, next, scales, l2);
    for (let halvings = 0; !(reached <= objective) && halvings < MOST_HALVINGS; halvings++) {
      share /= 2;
      next = moved(parameters, step, share);
      reached = objectiveOf(rows, labels, next, scales, l2);
    }
    if (!(reached <= objective)) break;
    converged = objective - reached <= TOLERANCE * (1 + Math.abs(objective));
    parameters = next;
    objective = reached;
  }
  const weights = Float64Array.from(scales, (scale, feature) => (scale === 0 ? 0 : parameters[feature + 1]! / scale));
  const { hessian } = curvature(rows, labels, parameters, scales, l2);
  const covariance = new CholeskyDecomposition(hessian).solve(Matrix.eye(size));
  const standardErrors = Float64Array.from(scales, (scale, feature) =>
    scale === 0 ? 0 : Math.sqrt(covariance.get(feature + 1, feature + 1)) / scale,
  );
  const logLoss = objectiveOf(rows, labels, parameters, scales, 0) / Math.max(1, labels.length);
  return { intercept: parameters[0]!, weights, standardErrors, logLoss, iterations, converged };
}

/** Mean negative log-likelihood of labels under a fit, for choosing among fits on rows that none of them saw. */
export function logLossOf(
  rows: SparseRows,
  labels: Uint8Array,
  { intercept, weights }: Pick<LogisticFit, 'intercept' | 'weights'>,
): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    let z = intercept;
    for (let entry = rows.firstEntry[row]!; entry < rows.firstEntry[row + 1]!; entry++)
      z += weights[rows.feature[entry]!]! * rows.value[entry]!;
    sum += lossOf(z, labels[row]!);
  }
  return sum / Math.max(1, labels.length);
}

/** −log p(label | z), without overflow. */
const lossOf = (z: number, label: number): number =>
  (z > 0 ? Math.log1p(Math.exp(-z)) + z : Math.log1p(Math.exp(z))) - label * z;

const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

function standardDeviations({ feature, features, firstEntry, value }: SparseRows, count: number): Float64Array {
  const sums = new Float64Array(features);
  const squares = new Float64Array(features);
  const entries = firstEntry[count] ?? 0;
  for (let entry = 0; entry < entries; entry++) {
    const of = feature[entry]!;
    sums[of]! += value[entry]!;
    squares[of]! += value[entry]! ** 2;
  }
  return sums.map((sum, of) => {
    const variance = squares[of]! / count - (sum / count) ** 2;
    return variance > 1e-12 ? Math.sqrt(variance) : 0;
  });
}

function objectiveOf(
  { feature, firstEntry, value }: SparseRows,
  labels: Uint8Array,
  parameters: Float64Array,
  scales: Float64Array,
  l2: number,
): number {
  const weights = unscaled(parameters, scales);
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    let z = parameters[0]!;
    const end = firstEntry[row + 1]!;
    for (let entry = firstEntry[row]!; entry < end; entry++) z += weights[feature[entry]!]! * value[entry]!;
    sum += lossOf(z, labels[row]!);
  }
  let penalty = 0;
  for (let n = 1; n < parameters.length; n++) penalty += parameters[n]! ** 2;
  return sum + (l2 / 2) * penalty;
}

const unscaled = (parameters: Float64Array, scales: Float64Array): Float64Array =>
  scales.map((scale, of) => (scale === 0 ? 0 : parameters[of + 1]! / scale));

/** First and (negative) second derivatives of the penalised log-likelihood. */
function curvature(
  { feature, firstEntry, value }: SparseRows,
  labels: Uint8Array,
  parameters: Float64Array,
  scales: Float64Array,
  l2: number,
): { readonly gradient: Matrix; readonly hessian: Matrix } {
  const size = parameters.length;
  const weights = unscaled(parameters, scales);
  const inverse = scales.map((scale) => (scale === 0 ? 0 : 1 / scale));
  const gradient = new Float64Array(size);
  const triangle = new Float64Array(size * size);
  for (let row = 0; row < labels.length; row++) {
    const start = firstEntry[row]!;
    const end = firstEntry[row + 1]!;
    let z = parameters[0]!;
    for (let entry = start; entry < end; entry++) z += weights[feature[entry]!]! * value[entry]!;
    const p = sigmoid(z);
    const error = labels[row]! - p;
    const weight = p * (1 - p);
    gradient[0]! += error;
    triangle[0]! += weight;
    for (let a = start; a < end; a++) {
      const i = feature[a]! + 1;
      const scaled = value[a]! * inverse[i - 1]!;
      gradient[i]! += error * scaled;
      const weighted = weight * scaled;
      triangle[i * size]! += weighted;
      // Only the lower triangle; a row's features come in ascending order.
      for (let b = start; b <= a; b++) {
        const j = feature[b]! + 1;
        triangle[i * size + j]! += weighted * value[b]! * inverse[j - 1]!;
      }
    }
  }
  const hessian = new Matrix(size, size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      // A hair on the diagonal: a feature that never varies would leave it singular.
      const entry = triangle[i * size + j]! + (i === j ? (i === 0 ? 1e-9 : l2 + 1e-9) : 0);
      hessian.set(i, j, entry);
      hessian.set(j, i, entry);
    }
    if (i > 0) gradient[i]! -= l2 * parameters[i]!;
  }
  return { gradient: Matrix.columnVector(Array.from(gradient)), hessian };
}

const moved = (from: Float64Array, step: readonly number[], share: number): Float64Array =>
  from.map((value, n) => value + share * step[n]!);
