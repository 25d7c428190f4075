import { describe, expect, it } from '@jest/globals';
import { compileModel, truthTable } from './compile.js';
import { defaultModel, defaultScoringEvents } from './default-model.js';
import { ScoringError } from './errors.js';
import { FIT_FIELDS, isProtected } from './facts.js';
import { ModelBook } from './model-book.js';
import { checkScoringModel } from './model.js';

const refusal = (change: object): ScoringError => {
  try {
    checkScoringModel({ ...defaultModel, ...change });
  } catch (error) {
    if (error instanceof ScoringError) return error;
    throw error;
  }
  throw new Error('not refused');
};
const rule = { id: 'r', on: 'guide', points: 5, halfLifeDays: 14 };

describe('a scoring model is refused', () => {
  it.each<[string, object, string]>([
    ['a penalty that decays', { penalty: [{ ...rule, points: -5 }] }, 'penalty.0.halfLifeDays'],
    ['a penalty that gives', { penalty: [{ ...rule, halfLifeDays: null }] }, 'penalty.0.points'],
    ['a behaviour that takes', { behaviour: [{ ...rule, points: -5, halfLifeDays: null }] }, 'behaviour.0.points'],
    ['a kind nobody records', { behaviour: [{ ...rule, on: 'wink' }] }, 'behaviour.0.on'],
    ['a field nobody knows', { fit: [{ id: 'f', points: 1, when: [{ field: 'shoeSize', gte: 40 }] }] }, 'fit.0.when.0.field'],
    ['a value nobody has', { fit: [{ id: 'f', points: 1, when: [{ field: 'role', equals: 'boss' }] }] }, 'fit.0.when.0'],
    ['an operator of another type', { fit: [{ id: 'f', points: 1, when: [{ field: 'country', gte: 4 }] }] }, 'fit.0.when.0'],
    ['two operators', { fit: [{ id: 'f', points: 1, when: [{ field: 'country', equals: 'DE', missing: true }] }] }, 'fit.0.when.0'],
    ['no operator', { fit: [{ id: 'f', points: 1, when: [{ field: 'country' }] }] }, 'fit.0.when.0'],
    ['a rule id twice', { behaviour: [rule, { ...rule, on: 'whitepaper' }] }, 'behaviour.1.id'],
    ['no rule at all', { fit: [], behaviour: [], penalty: [] }, 'fit'],
    ['an unknown part', { bonus: [] }, 'bonus'],
    ['a half-life of nothing', { behaviour: [{ ...rule, halfLifeDays: 0 }] }, 'behaviour.0.halfLifeDays'],
    ['grades in no order', { grades: { A: 10, B: 20, C: 5 } }, 'grades'],
    ['a range turned round', { fitRange: { min: 5, max: -5 } }, 'fitRange'],
    ['less than a milli-point', { behaviour: [{ ...rule, points: 0.0005 }] }, 'behaviour.0.points'],
    ['a threshold on an unknown kind', { thresholds: { mql: { minTotal: 1 }, pql: { requires: [{ on: 'wink' }] } } }, 'thresholds.pql.requires.0.on'],
  ])('with %s', (_, change, field) => {
    expect(refusal(change)).toMatchObject({ code: 'MODEL_INVALID', field });
  }); // prettier-ignore

  it.each(['age', 'person.birthYear', 'birth_year', 'gender', 'person.gender', 'dateOfBirth'])(
    'for scoring %s',
    (field) => {
      expect(refusal({ fit: [{ id: 'f', points: 1, when: [{ field, gte: 30 }] }] })).toMatchObject({
        code: 'PROTECTED_ATTRIBUTE',
        field: 'fit.0.when.0.field',
      });
    },
  );

  it('but no field there is counts as protected', () => {
    expect(Object.keys(FIT_FIELDS).filter(isProtected)).toEqual([]);
  });

  it('and the default model is not', () => {
    expect(checkScoringModel(JSON.parse(JSON.stringify(defaultModel)))).toEqual(defaultModel);
  });
});

it('a scoring model may spell out the lowest grade and band, and leave the usual trial rule to us', () => {
  const { thresholds, ...rest } = defaultModel;
  const model = checkScoringModel({
    ...rest,
    fit: [{ id: 'de', points: 5, when: [{ field: 'location.country', equals: 'DE' }] }],
    grades: { A: 45, B: 30, C: 15, D: 0 },
    bands: { cold: 0, warm: 30, hot: 60 },
    thresholds: { mql: thresholds.mql, pql: { minTotal: 40 } },
  });
  expect(model.thresholds.pql?.requires).toEqual(thresholds.pql?.requires);
  expect(model.fit[0]?.when[0]?.field).toBe('country');
  expect(refusal({ grades: { A: 45, B: 30, C: 15, D: 15 } }).field).toBe('grades');
  expect(refusal({ bands: { cold: 30, warm: 30, hot: 60 } }).field).toBe('bands');
});

describe('predicates', () => {
  const holds = (predicate: object, ...values: (string | number | boolean | undefined)[]) => {
    const when = [{ field: 'country', ...predicate }];
    const [compiled] = compileModel(
      { ...defaultModel, fit: [{ id: 'f', points: 1, when }] },
      {
        modelId: 'm',
        version: 1,
      },
    ).fit[0]!.when;
    return [...truthTable(compiled!, values)];
  };
  it('hold on known values only, but for missing', () => {
    expect(holds({ equals: 'DE' }, 'DE', 'FR', undefined)).toEqual([1, 0, 0]);
    expect(holds({ in: ['DE', 'FR'] }, 'DE', 'US', undefined)).toEqual([1, 0, 0]);
    expect(holds({ notIn: ['DE'] }, 'DE', 'FR', undefined)).toEqual([0, 1, 0]);
    expect(holds({ missing: true }, 'DE', undefined)).toEqual([0, 1]);
    expect(holds({ contains: 'erl' }, 'BERLIN', 'Bonn', undefined)).toEqual([1, 0, 0]);
    expect(holds({ gte: 10, lt: 50 }, 9, 10, 49, 50, undefined)).toEqual([0, 1, 1, 0, 0]);
  });
});

describe('the model in force', () => {
  const DAY_MS = 86_400_000;
  const at = (day: number) => new Date(day * DAY_MS).toISOString();
  const book = () => {
    const models = new ModelBook();
    for (const event of defaultScoringEvents(0)) models.apply(event);
    return models;
  };
  const draft = (models: ModelBook, id: string, version: number, name: string) =>
    models.apply({
      stream: `scoringmodel-${id}`,
      type: 'ScoringModelDrafted',
      data: { occurredAt: at(0), ...defaultModel, version, name },
    });
  const activate = (models: ModelBook, id: string, version: number, day: number) =>
    models.apply({
      stream: `scoringmodel-${id}`,
      type: 'ScoringModelActivated',
      data: { occurredAt: at(0), version, effectiveFrom: at(day) },
    });

  it('is the default one from the start', () => {
    expect(book().inForce(0)).toMatchObject({ modelId: 'default', version: 1 });
    expect(new ModelBook().inForce(0)).toBeNull();
  });

  it('is the one activated last by its effective date, of whichever family, and knows what it replaced', () => {
    const models = book();
    draft(models, 'default', 2, 'two');
    draft(models, 'other', 1, 'other');
    activate(models, 'default', 2, 10);
    activate(models, 'other', 1, 20);
    expect(models.inForce(9 * DAY_MS)).toMatchObject({ modelId: 'default', version: 1 });
    expect(models.inForce(10 * DAY_MS)).toMatchObject({ modelId: 'default', version: 2 });
    expect(models.inForce(25 * DAY_MS)).toMatchObject({ modelId: 'other', version: 1 });
    expect(models.predecessor(25 * DAY_MS)).toMatchObject({ modelId: 'default', version: 2 });
    expect(models.predecessor(0)).toBeNull();
    models.apply({ stream: 'scoringmodel-other', type: 'ScoringModelRetired', data: { occurredAt: at(30) } });
    expect(models.inForce(31 * DAY_MS)).toMatchObject({ modelId: 'default', version: 2 });
  });

  it('stays the one before when a version to come is retired', () => {
    const models = book();
    draft(models, 'default', 2, 'two');
    activate(models, 'default', 2, 10);
    const retire = (version: number, day: number) =>
      models.apply({
        stream: 'scoringmodel-default',
        type: 'ScoringModelRetired',
        data: { occurredAt: at(day), version },
      });
    retire(2, 5);
    expect(models.inForce(20 * DAY_MS)?.version).toBe(1);
    retire(1, 21);
    expect(models.inForce(20 * DAY_MS)?.version).toBe(1);
    expect(models.inForce(21 * DAY_MS)).toBeNull();
  });

  it('is never changed by a later draft of its number', () => {
    const models = book();
    draft(models, 'default', 1, 'another one');
    expect(models.get('default', 1)?.document.name).toBe('Default model');
  });

  it('stays when a document in the log is no model', () => {
    const models = book();
    const broken = { occurredAt: at(0), ...defaultModel, version: 2, penalty: [{ ...rule, points: -1 }] };
    expect(() => models.apply({ stream: 'scoringmodel-default', type: 'ScoringModelDrafted', data: broken })).toThrow(
      ScoringError,
    );
    expect(models.inForce(0)?.version).toBe(1);
  });
});
