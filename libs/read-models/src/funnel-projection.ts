import type { RecordedEvent } from '#libs/event-log/src/event-log.js';
import type { Fact, Projection } from '#libs/projections/src/projection.js';
import { handoffFacts } from './acceptance.js';
import { accountLeadFacts } from './account-leads.js';
import { touchFacts } from './attribution.js';
import { challengeFacts } from './challenges.js';
import { closingFacts } from './closings.js';
import { effortFacts } from './contact-effort.js';
import { ownerFacts } from './continuity.js';
import { qualityFacts } from './data-quality.js';
import { dealFacts } from './deals.js';
import { mergeFacts, suspectFacts } from './duplicates.js';
import { evolveRow, type LeadRow, loadRow, packRow } from './lead-row.js';
import { pathFacts } from './path.js';
import { pulseFacts } from './pulse.js';
import { queueFacts } from './work.js';
import { scoredFacts } from './score-quality.js';
import { silenceFacts } from './silence-due.js';
import { clockFacts } from './sla.js';

const PREFIX = 'lead-';

/** All reports of the funnel from one fold per lead: one checkpoint, so that no two figures disagree about what is in. */
export const funnelProjection: Projection<LeadRow> = {
  name: 'funnel',
  version: 4,
  filter: { streamPrefixes: [PREFIX] },
  entityOf: (event: RecordedEvent) => (event.stream.startsWith(PREFIX) ? event.stream.slice(PREFIX.length) : null),
  load: loadRow,
  pack: packRow,
  evolve: evolveRow,
  facts(row: LeadRow): readonly Fact[] {
    // Of a lead that was merged away stay its promises, kept or broken, and its path, for the list and the audit (spec §2.6).
    if (row.merges.mergedInto !== null) row.memo.facts ??= [...pathFacts(row), ...clockFacts(row), ...mergeFacts(row)];
    row.memo.facts ??= [
      ...pathFacts(row),
      ...handoffFacts(row),
      ...clockFacts(row),
      ...silenceFacts(row),
      ...suspectFacts(row),
      ...mergeFacts(row),
      ...closingFacts(row),
      ...dealFacts(row),
      ...pulseFacts(row),
      ...accountLeadFacts(row),
      ...queueFacts(row),
      ...touchFacts(row),
      ...scoredFacts(row),
      ...effortFacts(row),
      ...ownerFacts(row),
      ...qualityFacts(row),
      ...challengeFacts(row),
    ];
    return row.memo.facts as readonly Fact[];
  },
};
