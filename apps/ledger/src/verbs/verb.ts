import type { Command } from 'commander';

/** Adds one verb of the CLI to the program. Files of verbs load fast: what is heavy is imported when the verb runs. */
export type Verb = (program: Command) => void;
