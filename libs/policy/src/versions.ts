/** From `fromMs` on `version` is in force; null = nothing is. */
export interface Span {
  readonly fromMs: number;
  readonly version: number | null;
}

/** Spans with one more, ascending by `fromMs`. Of two with one `fromMs` the later recorded one holds. */
export function withSpan(spans: readonly Span[], span: Span): readonly Span[] {
  let at = spans.length;
  while (at > 0 && spans[at - 1]!.fromMs > span.fromMs) at--;
  return spans.toSpliced(at, 0, span);
}

/**
 * Spans after a retirement at `atMs`: without a version, or when it is the one in force, nothing is in force from then on;
 * one that was yet to come never does, and the one before it stays.
 */
export function withoutVersion(spans: readonly Span[], version: number | undefined, atMs: number): readonly Span[] {
  const ahead = spans.filter((span) => version === undefined || span.version !== version || span.fromMs <= atMs);
  const retired = version === undefined || versionAt(spans, atMs) === version;
  return retired ? withSpan(ahead, { fromMs: atMs, version: null }) : ahead;
}

/** The version with the greatest `effectiveFrom` ≤ t (spec §2.4); null when none is in force then. */
export function versionAt(spans: readonly Span[], atMs: number): number | null {
  for (let index = spans.length - 1; index >= 0; index--) {
    const { fromMs, version } = spans[index]!;
    if (fromMs <= atMs) return version;
  }
  return null;
}

/** The versions of one document and since when each has been in force. */
export class Versions<D> {
  private readonly documents = new Map<number, D>();
  private readonly activated = new Set<number>();
  private spans: readonly Span[] = [];

  define(version: number, document: D): void {
    // Immutable after activation (spec §2.4): a later definition of the number changes nothing that ran under it.
    if (!this.activated.has(version)) this.documents.set(version, document);
  }

  activate(version: number, fromMs: number): void {
    this.activated.add(version);
    this.spans = withSpan(this.spans, { fromMs, version });
  }

  retire(version: number | undefined, atMs: number): void {
    this.spans = withoutVersion(this.spans, version, atMs);
  }

  get(version: number): D | null {
    return this.documents.get(version) ?? null;
  }

  inForce(atMs: number): D | null {
    const version = versionAt(this.spans, atMs);
    return version === null ? null : this.get(version);
  }

  /** Since when that has been in force which is at `atMs`; -Infinity: nothing is. */
  sinceMs(atMs: number): number {
    const span = this.spans.findLast(({ fromMs }) => fromMs <= atMs);
    return span?.version == null ? Number.NEGATIVE_INFINITY : span.fromMs;
  }

  /** What came into force up to `atMs`, in that order; null for a time without. */
  until(atMs: number): (D | null)[] {
    return this.spans
      .filter(({ fromMs }) => fromMs <= atMs)
      .map(({ version }) => (version === null ? null : this.get(version)));
  }
}

/** What has no versions: each setting replaces the one before from its own time on, and the first holds since ever. */
export class Settings<D> {
  private readonly settings: { readonly fromMs: number; readonly value: D }[] = [];

  set(value: D, atMs: number): void {
    const fromMs = this.settings.length === 0 ? Number.NEGATIVE_INFINITY : atMs;
    let at = this.settings.length;
    while (at > 0 && this.settings[at - 1]!.fromMs > fromMs) at--;
    this.settings.splice(at, 0, { fromMs, value });
  }

  at(atMs: number): D | null {
    return this.settings.findLast(({ fromMs }) => fromMs <= atMs)?.value ?? null;
  }
}
