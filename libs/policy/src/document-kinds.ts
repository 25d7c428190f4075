import { BusinessCalendar } from './business-calendar.js';
import { checkAgreement, checkAgreementTerms, checkIcp, checkPipeline } from './check-documents.js';
import { agreementOfTemplate, calendarOfTemplate, pipelineOfTemplate } from './document-template.js';
import {
  agreementDocument,
  calendarDocument,
  type ConfigEventType,
  icpDocument,
  pipelineDocument,
} from './documents.js';
import { PolicyError } from './errors.js';
import { personaDocument } from './persona.js';
import type { PolicyBook } from './policy-book.js';

/** The kinds of documents that have versions, by their name in URLs (contract "Configuration"). */
export const DOCUMENT_KINDS = ['agreements', 'calendars', 'scoring-models', 'pipelines', 'icps', 'personas'] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];

export type ConfigDocument = Readonly<Record<string, unknown>>;

/** Against what a document is judged. */
export interface Surroundings {
  /** All configuration recorded so far. */
  readonly policies: PolicyBook;
  /**
   * The check of scoring models, which live in a library of their own: the document with its defaults.
   * @throws PolicyError MODEL_INVALID, PROTECTED_ATTRIBUTE
   */
  readonly checkModel: (document: unknown) => ConfigDocument;
}

interface Kind {
  /** Of its streams: `<category>-<id>` (spec §2.2). */
  readonly category: string;
  readonly drafted: ConfigEventType;
  /** null: put in force without approvals. The others need marketing's and sales' (spec §2.4). */
  readonly approved: ConfigEventType | null;
  /** Only of what a what-if can try. */
  readonly validated?: ConfigEventType;
  readonly activated: ConfigEventType;
  readonly retired: ConfigEventType;
  /** The document with its defaults. @throws ZodError, PolicyError */
  read(document: unknown, surroundings: Surroundings): ConfigDocument;
  /** What else must hold once it comes into force. @throws PolicyError */
  ready?(document: ConfigDocument, atMs: number, surroundings: Surroundings): void;
}

export const documentKinds: Readonly<Record<DocumentKind, Kind>> = {
  agreements: {
    category: 'agreement',
    drafted: 'AgreementDrafted',
    approved: 'AgreementApproved',
    activated: 'AgreementActivated',
    retired: 'AgreementRetired',
    read(document) {
      const agreement = agreementDocument.parse(agreementOfTemplate(document));
      checkAgreement(agreement);
      return agreement;
    },
    ready(document, atMs, { policies }) {
      const agreement = agreementDocument.parse(document);
      checkAgreementTerms(agreement);
      for (const [n, { calendarId }] of agreement.clocks.entries()) {
        if (policies.calendarInForce(calendarId, atMs) === null)
          throw new PolicyError(
            'UNKNOWN_CALENDAR',
            `no calendar ${calendarId} is in force then`,
            `clocks.${n}.calendarId`,
          );
      }
    },
  },
  calendars: {
    category: 'calendar',
    drafted: 'CalendarDefined',
    approved: null,
    activated: 'CalendarActivated',
    retired: 'CalendarRetired',
    read(document) {
      const calendar = calendarDocument.parse(calendarOfTemplate(document));
      // Compiling it is the check.
      return new BusinessCalendar('draft', 1, calendar).document;
    },
  },
  'scoring-models': {
    category: 'scoringmodel',
    drafted: 'ScoringModelDrafted',
    validated: 'ScoringModelValidated',
    approved: 'ScoringModelApproved',
    activated: 'ScoringModelActivated',
    retired: 'ScoringModelRetired',
    read: (document, { checkModel }) => checkModel(document),
  },
  pipelines: {
    category: 'pipeline',
    drafted: 'PipelineDefined',
    approved: null,
    activated: 'PipelineActivated',
    retired: 'PipelineRetired',
    read(document) {
      const pipeline = pipelineDocument.parse(pipelineOfTemplate(document));
      checkPipeline(pipeline);
      return pipeline;
    },
    ready(document, atMs, { policies }) {
      const { defaultTeamId } = pipelineDocument.parse(document);
      if (policies.team(defaultTeamId, atMs) === null)
        throw new PolicyError('UNKNOWN_TEAM', `there is no team ${defaultTeamId}`, 'defaultTeamId');
    },
  },
  icps: {
    category: 'icp',
    drafted: 'IcpDrafted',
    approved: 'IcpApproved',
    activated: 'IcpActivated',
    retired: 'IcpRetired',
    read(document) {
      const icp = icpDocument.parse(document);
      checkIcp(icp);
      return icp;
    },
  },
  personas: {
    category: 'persona',
    drafted: 'PersonaDrafted',
    approved: 'PersonaApproved',
    activated: 'PersonaActivated',
    retired: 'PersonaRetired',
    read: (document) => personaDocument.parse(document),
    ready(document, atMs, { policies }) {
      const { icpId } = personaDocument.parse(document);
      if (policies.icp(atMs, icpId) === null)
        throw new PolicyError('UNKNOWN_ICP', `no ICP ${icpId} is in force then`, 'icpId');
    },
  },
};
