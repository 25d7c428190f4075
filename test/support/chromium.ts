import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

/** Nothing that is not under test: no services of the browser, and no name but the loopback's address leads anywhere. */
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
]; // prettier-ignore

let found: string | undefined;

/** `chromium` on PATH; null without one. With CI=true a missing one is an error, so that CI cannot skip in silence. */
export function chromiumPath(): string | null {
  found ??= (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'chromium'))
    .find(isProgram);
  if (found === undefined && process.env['CI'] === 'true') throw new Error('CI=true, but chromium is not on PATH');
  return found ?? null;
}

/** A headless browser with a profile of its own, which goes with it. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, headless: true, args: ARGS, timeout: 60_000 });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
