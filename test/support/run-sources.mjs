import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import jestConfig from '../../jest.config.js';

/**
 * `--import` this into a thread that a test begins, with `--conditions=lead-ledger-source`: it runs the sources as the test
 * does. Jest's own way to do so ends at its thread.
 */
if (!import.meta.url.endsWith('?hooks')) register(`${import.meta.url}?hooks`);

const [[, options]] = Object.values(jestConfig.transform);

export function resolve(specifier, context, next) {
  const isOurs = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
  return next(isOurs ? specifier.replace(/\.js$/, '.ts') : specifier, context);
}

export function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const filename = fileURLToPath(url);
  const { code } = transformSync(readFileSync(filename, 'utf8'), { filename, sourceMaps: 'inline', ...options });
  return { format: 'module', shortCircuit: true, source: code };
}
