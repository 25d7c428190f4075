import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { FIT_FIELDS } from './facts.js';
import { checkScoringModel } from './model.js';

const text = readFileSync('docs/scoring.md', 'utf8');

it('the example of the documentation is a model', () => {
  const [, example] = /```json\n([\s\S]*?)```/.exec(text)!;
  expect(checkScoringModel(JSON.parse(example!)).name).toBe('Spring 2026');
});

it('the documentation names every field of the fit rules', () => {
  const short = (field: string) => field.replace(/^qualification(?=\.(?!interest))/, '');
  expect(Object.keys(FIT_FIELDS).filter((field) => !text.includes(`\`${short(field)}\``))).toEqual([]);
});
