import { z } from 'zod';
import { LABELS } from '#libs/history/src/replay-metrics.js';
import { FIT_FIELDS, SCORED_KINDS } from '#libs/scoring/src/facts.js';
import { position } from '../query-fields.js';
import { candidate, name } from './what-if-requests.js';
import { whatIfInstant, whatIfWindow } from './what-if-window.js';

const MOST_COMPARED = 5;
const SCORABLE = [...Object.keys(FIT_FIELDS), ...SCORED_KINDS];

/** What is sent to `/v1/tunings`. */
export const tuningRequest = z.strictObject({
  name: name.optional(),
  window: whatIfWindow
    .optional()
    .describe('Leads captured in [from, to) are learned from and tested on; default: all whose horizon is over'),
  label: z.enum(LABELS).default('sql').describe('What a lead is hoped to become'),
  horizonDays: z.int().min(1).max(3650).default(180).describe('After its capture'),
  asOf: whatIfInstant.optional().describe('What happened later is not looked at; default: now'),
  testShare: z
    .number()
    .min(0.05)
    .max(0.9)
    .default(0.25)
    .describe('Of the leads, those captured last: the model is tested on them and never fitted to them'),
  embargoDays: z
    .number()
    .min(0)
    .max(3650)
    .optional()
    .describe('Leads captured so many days before the test are in neither part; default: the horizon, so that nothing of the test is known'),
  halfLivesDays: z
    .array(z.number().min(0.5).max(3650))
    .min(1)
    .max(12)
    .default([7, 14, 30, 60, 90])
    .describe('To choose from by the latest fifth of the training leads'),
  l2: z.number().min(0.001).max(10_000).optional().describe('How strongly weights are held back; default: chosen as the half-life is'),
  exclude: z
    .array(z.enum(SCORABLE, { error: 'is no field or kind of behaviour that scoring reads' }))
    .max(100)
    .default([])
    .describe('Fields and kinds of behaviour that the model must not use; age and gender never are'),
  flaggedShare: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Share of the training leads to flag; default: as many as the model in force flags'),
  compareWith: z
    .array(candidate)
    .max(MOST_COMPARED)
    .default([])
    .describe('Beside the model in force and the default model'),
  position: position.optional().describe('Of an earlier run, to repeat it; default: all there is'),
}); // prettier-ignore
export type TuningBody = z.output<typeof tuningRequest>;
