/**
 * Injection tokens of what is opened before Nest starts and closed after it has stopped (apps/ledger/src/resources.ts).
 * Types: `Settings`, `Clock`, `Logger`, `EventLog`, `ReadStore`.
 */
export const SETTINGS = Symbol('Settings');
export const CLOCK = Symbol('Clock');
export const LOGGER = Symbol('Logger');
export const EVENT_LOG = Symbol('EventLog');
export const READ_STORE = Symbol('ReadStore');
/** Of apps/api: who answers questions about the figures. */
export const ANSWERS = Symbol('Answers');
