import { createHash } from 'node:crypto';
import type { Position } from '#libs/event-log/src/event-log.js';
import { audit, auditParams, type AuditItem } from '#libs/read-models/src/audit.js';
import { parseReportParams, type Query } from '#libs/read-models/src/report-params.js';
import type { QueryContext } from '#libs/read-models/src/reports.js';
import type { ReadView } from '#libs/read-models/src/store/read-store.js';

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface AuditExport {
  readonly content: Uint8Array;
  readonly contentType: string;
  /** What an auditor compares: rows of data (without the CSV's heading) and the digest of every byte, in hex. */
  readonly rows: number;
  readonly sha256: string;
  readonly position: Position | null;
}

const COLUMNS: Readonly<Record<string, (item: AuditItem) => string | number | null>> = {
  occurredAt: (item) => item.occurredAt,
  recordedAt: (item) => item.recordedAt,
  leadId: (item) => item.leadId,
  eventId: (item) => item.eventId,
  type: (item) => item.type,
  fromState: (item) => item.fromState,
  toState: (item) => item.toState,
  cycleNo: (item) => item.cycleNo,
  stageVisitNo: (item) => item.stageVisitNo,
  actorType: (item) => item.actor.type,
  actorId: (item) => item.actor.id,
  actorRole: (item) => item.actor.role,
  onBehalfOf: (item) => item.actor.onBehalfOf,
  sourceSystem: (item) => item.sourceSystem,
  reason: (item) => item.reason,
  kinds: (item) => item.kinds.join(' '),
  skippedStages: (item) => item.skippedStages.join(' '),
  skipRule: (item) => item.skipRule,
  overrideBy: (item) => item.override?.by ?? null,
  overrideReason: (item) => item.override?.reason ?? null,
  claimedOccurredAt: (item) => item.claimedOccurredAt,
  correctedFrom: (item) => item.correction?.oldOccurredAt ?? null,
  correctionReason: (item) => item.correction?.reason ?? null,
  mergedInto: (item) => item.mergedInto,
  voidedAt: (item) => item.voided?.at ?? null,
  voidedBy: (item) => item.voided?.actor.id ?? null,
  voidReason: (item) => item.voided?.reason ?? null,
  voidApprovedBy: (item) => item.voided?.approvedBy ?? null,
};

/** Every transition that the query lets through, however many, one row each. */
export async function auditFile(
  view: ReadView,
  query: Query,
  context: QueryContext,
  format: ExportFormat,
): Promise<AuditExport> {
  const { limit: _, cursor: __, ...params } = parseReportParams({ ...auditParams, paged: false }, query, context);
  const { items } = await audit(view, { ...params, limit: Number.MAX_SAFE_INTEGER, cursor: null });
  return exportAudit(items, format, context.position);
}

/** CSV as RFC 4180 with a heading; cells that a spreadsheet would run are made text. */
function exportAudit(items: readonly AuditItem[], format: ExportFormat, position: Position | null): AuditExport {
  const lines =
    format === 'ndjson'
      ? items.map((item) => `${JSON.stringify(item)}\n`)
      : [Object.keys(COLUMNS), ...items.map((item) => Object.values(COLUMNS).map((cell) => cell(item)))].map(
          (cells) => `${cells.map(csvCell).join(',')}\r\n`,
        );
  const content = Buffer.from(lines.join(''));
  return {
    content,
    contentType: format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson',
    rows: items.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    position,
  };
}

/** Spreadsheets skip leading blanks and control characters before they look for a formula. */
// oxlint-disable-next-line no-control-regex -- that is what they skip
const FORMULA = /^[\u0000-\u0020\u00a0\ufeff]*[=+\-@]/;

export function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
