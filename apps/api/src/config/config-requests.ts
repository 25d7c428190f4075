import { z } from 'zod';
import { scoringModelDocument } from '#libs/scoring/src/model.js';
import {
  agreementDocument,
  calendarDocument,
  clockEscalation,
  clockRule,
  icpDocument,
  pipelineDocument,
  teamDocument,
} from '#libs/policy/src/documents.js';
import { personaDocument } from '#libs/policy/src/persona.js';
import { routingDocument } from '#libs/policy/src/routing.js';
import { benchmarkDocument, targetDocument } from '#libs/policy/src/target.js';
import { CONFIG_KINDS, type ConfigKind } from './config-streams.js';
import { DOCUMENT_KINDS } from '#libs/policy/src/document-kinds.js';

/** What is sent to `/v1/config`, and what it answers. */

export const configKind = z.enum(CONFIG_KINDS);
export const documentKind = z.enum(DOCUMENT_KINDS);
/** Part of a stream's name, and of URLs. */
export const configId = z
  .string()
  .regex(/^[A-Za-z0-9][\w.@+:-]{0,127}$/, '1 to 128 letters, digits and . _ @ + : -, a letter or digit first');
export const versionNumber = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'must be a version, a whole number from 1')
  .transform(Number);

const drafted = {
  id: configId.optional().describe('Of which document this is the next version; none: a new one'),
  version: z.int().min(1).optional().describe('The version it is meant to become, to be sure; else refused'),
};
const documents = {
  // What is left out is taken from the template (libs/policy, document-template).
  agreements: agreementDocument
    .partial({ contactAttemptDefinition: true, lateEvidenceGraceS: true, acceptanceTarget: true })
    .extend({
      clocks: z.array(clockRule.partial({ pausable: true })).min(1),
      escalation: z.array(clockEscalation).optional().describe('Of every clock without `escalations` of its own'),
    }),
  calendars: calendarDocument,
  'scoring-models': scoringModelDocument,
  pipelines: pipelineDocument.partial(),
  icps: icpDocument,
  personas: personaDocument,
  teams: teamDocument,
  targets: targetDocument.extend({
    reason: z.string().max(2000).optional().describe('Why a target set before changes'),
  }),
  benchmarks: benchmarkDocument,
} as const satisfies Record<ConfigKind, z.ZodObject>;

/** Either way: the fields of the document beside the id, or in `document` as a GET gives it. */
export const draftBody = z.union([
  z.strictObject({ ...drafted, reason: z.string().max(2000).optional(), document: z.record(z.string(), z.unknown()) }),
  ...Object.values(documents).map((document) => z.strictObject({ ...document.shape, ...drafted })),
]);
/** Only the envelope: the document is judged by its kind. */
export const draftEnvelope = z.looseObject({
  ...drafted,
  reason: z.string().max(2000).optional(),
  document: z.record(z.string(), z.unknown()).optional(),
});

const instant = z.iso.datetime({ offset: true, error: 'must be an RFC 3339 instant, e.g. 2026-03-01T00:00:00Z' });
export const approveBody = z.strictObject({
  party: z
    .enum(['marketing', 'sales'])
    .optional()
    .describe('An administrator says for whom; the others approve for their own'),
});
export const validateBody = z.strictObject({
  whatIfId: z.uuid().toLowerCase().describe('A run of /v1/replays that is done and has tried this very document'),
});
export const activateBody = z.strictObject({
  effectiveFrom: instant.optional().describe('Default now; may lie ahead, or back to where the version before began'),
  stageMapping: z
    .record(z.string(), z.string())
    .optional()
    .describe('Pipelines: removed deal stage → where its open deals go'),
  rescoreExisting: z.boolean().optional().describe('Scoring models: score every open lead anew'),
});
export const retireBody = z.strictObject({});

export const joinBody = z.strictObject({
  repId: configId,
  weeklyLeadCapacity: z.int().min(0).max(100_000).optional(),
  skills: z.array(z.string().min(1).max(64)).max(100).default([]),
});
export const capacityBody = z.strictObject({
  weeklyLeadCapacity: z.int().min(0).max(100_000),
  until: instant.optional().describe('From then on it is what it was before'),
});
export const trainedBody = z.strictObject({ topic: z.string().min(1).max(64) });
export const leaveBody = z.strictObject({ successorId: configId.optional() });
export const routingBody = routingDocument;

export const diffQuery = z.strictObject({ from: versionNumber, to: versionNumber });
export const readinessQuery = z.strictObject({ team: configId.optional() });

export const configHistory = z.object({
  id: z.string(),
  versionInForce: z.int().nullable(),
  latestVersion: z.int(),
  versions: z.array(
    z.object({
      version: z.int(),
      status: z.enum(['draft', 'in_force', 'scheduled', 'superseded', 'retired']),
      effectiveFrom: z.string().nullable(),
      recordedAt: z.string(),
      by: z.string().nullable(),
      approvals: z.array(z.object({ party: z.string(), by: z.string() })),
      validations: z.array(z.string()).optional().describe('Scoring models: ids of the what-ifs that tried it'),
      document: z.record(z.string(), z.unknown()),
    }),
  ),
});
export const configList = z.object({ items: z.array(configHistory.omit({ versions: true })) });

export const configAnswer = z.object({
  id: z.string(),
  version: z
    .int()
    .nullable()
    .describe('The version acted on; of a setting, how often it was set; null: of people and routing'),
  revision: z.int().describe('Of the last event of its stream after the act'),
  position: z.string().nullable(),
  events: z.array(z.object({ type: z.string(), eventId: z.string() })).describe('Empty: it was so already'),
  replayed: z.boolean(),
});
export const diffAnswer = z.object({
  id: z.string(),
  from: z.int(),
  to: z.int(),
  changes: z.array(z.object({ path: z.string(), old: z.unknown().optional(), new: z.unknown().optional() })),
});
const teamReadiness = z.object({
  teamId: z.string(),
  ready: z.boolean().describe('It may receive handoffs'),
  missing: z.array(z.string()),
  warnings: z.array(z.string()),
});
export const readinessAnswer = z.object({ ready: z.boolean(), teams: z.array(teamReadiness) });
export const repList = z.object({
  items: z.array(
    z.object({
      repId: z.string(),
      teamId: z.string(),
      weeklyLeadCapacity: z.int().optional(),
      skills: z.array(z.string()),
      trained: z.array(z.string()),
      active: z.boolean(),
      successorId: z.string().optional(),
    }),
  ),
});
export const routingAnswer = z.object({ teamId: z.string(), routing: routingDocument.nullable() });
