import { modelDigest, type Candidate } from '#libs/history/src/replay.js';
import { PolicyError } from '#libs/policy/src/errors.js';
import { compileModel } from '#libs/scoring/src/compile.js';
import { ScoringError } from '#libs/scoring/src/errors.js';
import { checkScoringModel } from '#libs/scoring/src/model.js';
import type { ModelBook } from '#libs/scoring/src/model-book.js';
import type { ReplayBody } from './what-if-requests.js';

type Asked = ReplayBody['models'][number];

/**
 * The model that is asked for. `at`: where in the request, for what is wrong with it.
 * @throws PolicyError MODEL_INVALID, PROTECTED_ATTRIBUTE naming the rule; UNKNOWN_VERSION
 */
export function candidateOf(asked: Asked, at: string, models: ModelBook, nowMs: number): Candidate {
  if (asked === 'active') {
    const model = models.inForce(nowMs);
    if (model === null) throw new PolicyError('UNKNOWN_VERSION', 'no scoring model is in force', at);
    return { name: `${model.modelId} ${model.version}`, model };
  }
  if ('modelId' in asked) {
    const model = models.get(asked.modelId, asked.version);
    if (model === null)
      throw new PolicyError('UNKNOWN_VERSION', `there is no version ${asked.version} of ${asked.modelId}`, at);
    return { name: `${asked.modelId} ${asked.version}`, model };
  }
  const { document } = asked;
  try {
    const checked = checkScoringModel(document);
    const modelId = checked.id ?? `inline-${modelDigest(checked).slice(0, 12)}`;
    return {
      name: asked.name ?? checked.name,
      model: compileModel(checked, { modelId, version: checked.version ?? 1 }),
    };
  } catch (error) {
    if (!(error instanceof ScoringError)) throw error;
    const { code, detail, field } = error;
    const rule = ruleAt(document, field);
    const said = rule === null ? detail : `rule ${rule}: ${detail}`;
    throw new PolicyError(
      code,
      said,
      field === undefined ? at : `${at}.document.${field}`,
      rule === null ? {} : { rule },
    );
  }
}

/** Id of the rule that a path such as `penalty.0.halfLifeDays` lies in. */
function ruleAt(document: Readonly<Record<string, unknown>>, field: string | undefined): string | null {
  const [part, n] = field?.split('.') ?? [];
  const rules = part === undefined ? undefined : document[part];
  const rule: unknown = Array.isArray(rules) ? rules[Number(n)] : undefined;
  return typeof rule === 'object' && rule !== null && 'id' in rule && typeof rule.id === 'string' ? rule.id : null;
}

/** Names in one request tell candidates apart: the second of a name is told with its number. */
export function toldApart(candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>(['actual']);
  return candidates.map(({ model, name }) => {
    let own = name;
    for (let n = 2; seen.has(own); n++) own = `${name} (${n})`;
    seen.add(own);
    return { name: own, model };
  });
}
