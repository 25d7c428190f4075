#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/apps/ledger/src/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error('ledger: not built yet; run `npm ci` (it builds) or `npm run build`');
  process.exit(1);
}
await import(main.href);
