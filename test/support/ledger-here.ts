import { runLedger, type LedgerOptions, type RunningLedger } from '#apps/ledger/src/start.js';
import type { Logger } from '#libs/platform/src/logging.js';
import type { Settings } from '#libs/platform/src/settings.js';

const hooks = new URL('./run-sources.mjs', import.meta.url).href;

/** For whoever begins the ledger's thread from a test: it runs the sources too. */
export const FROM_SOURCES: LedgerOptions = {
  threadFlags: ['--conditions=lead-ledger-source', '--import', hooks],
};

/** The whole ledger in the process of the test. */
export const ledgerHere = (settings: Settings, logger: Logger): Promise<RunningLedger> =>
  runLedger(settings, logger, FROM_SOURCES);
