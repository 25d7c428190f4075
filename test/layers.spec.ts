import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

/** A rule that nobody ever saw fail is no rule: plant violations in a small copy and watch `npm run deps` refuse them. */
describe('the layers of the house', () => {
  let copy: string;

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'lead-ledger-layers-'));
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) cpSync(file, join(copy, file));
    cpSync('libs/lead/src', join(copy, 'libs/lead/src'), { recursive: true });
    cpSync('libs/policy/src', join(copy, 'libs/policy/src'), { recursive: true });
    mkdirSync(join(copy, 'apps/api/src'), { recursive: true });
    writeFileSync(join(copy, 'apps/api/src/thing.ts'), 'export const thing = 1;\n');
    symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  function rulesBrokenWith(file: string, text: string): string[] {
    const path = join(copy, file);
    writeFileSync(path, text);
    const run = spawnSync(
      process.execPath,
      ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', 'libs', 'apps', '--config', '.dependency-cruiser.cjs', '-T', 'json'],
      { cwd: copy, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    ); // prettier-ignore
    rmSync(path);
    const report = JSON.parse(run.stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
    return report.summary.violations.filter((violation) => violation.from === file).map(({ rule }) => rule.name);
  }

  it.each([
    ['Nest', `import { Injectable } from '@nestjs/common';\nexport const planted = Injectable;\n`],
    ['the file system', `import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n`],
    ['an app', `import { thing } from '../../../apps/api/src/thing.js';\nexport const planted = thing;\n`],
  ])('the lead library may not import %s', (_what, text) => {
    expect(rulesBrokenWith('libs/lead/src/planted.ts', text)).toContain('pure-libs-import-only-each-other');
  });

  it('is clean without a planted import', () => {
    expect(rulesBrokenWith('libs/lead/src/planted.ts', 'export const planted = 1;\n')).toEqual([]);
  });
});
