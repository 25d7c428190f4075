import { start } from './start.js';
import type { Verb } from './verb.js';

/** Every verb of the CLI, in the order of its help. */
export const verbs: readonly Verb[] = [start];
