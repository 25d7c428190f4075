import { configVerb } from './config.js';
import { demoVerb } from './demo.js';
import { doctorVerb } from './doctor.js';
import { eventsVerb } from './events.js';
import { exportVerb } from './export.js';
import { importVerb } from './import.js';
import { keysVerb } from './keys.js';
import { leadVerb } from './lead.js';
import { parkedVerb, projectionsVerb, rebuildVerb } from './projections.js';
import { replayVerb } from './replay.js';
import { slaReplayVerb } from './sla-replay.js';
import { start } from './start.js';
import { tuneVerb } from './tune.js';
import type { Verb } from './verb.js';

/** Every verb of the CLI, in the order of its help. */
export const verbs: readonly Verb[] = [
  start,
  demoVerb,
  importVerb,
  exportVerb,
  leadVerb,
  eventsVerb,
  replayVerb,
  slaReplayVerb,
  tuneVerb,
  projectionsVerb,
  rebuildVerb,
  parkedVerb,
  keysVerb,
  configVerb,
  doctorVerb,
];
