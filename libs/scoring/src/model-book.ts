import { compileModel, type CompiledModel } from './compile.js';
import { checkScoringModel, isScoringEventType, scoringEventSchemas, type ScoringEvent } from './model.js';

/** Since when a model has been in force. */
export interface Activation {
  readonly fromMs: number;
  readonly model: CompiledModel;
  /** Whether the leads there were are to be scored under it (spec §5.4). */
  readonly rescoreExisting: boolean;
}
interface Span {
  readonly fromMs: number;
  readonly modelId: string;
  readonly rescoreExisting: boolean;
  /** null: retired from then on. */
  readonly model: CompiledModel | null;
}

/**
 * Every scoring model there ever was, folded from the `scoringmodel-<id>` streams in log order, and which was in force when: the
 * activation with the greatest `effectiveFrom` ≤ t, of whichever family (spec §2.4).
 */
export class ModelBook {
  readonly #families = new Map<
    string,
    { readonly versions: Map<number, CompiledModel>; readonly activated: Set<number> }
  >();
  readonly #spans: Span[] = [];

  /**
   * Folds one event; other types and streams are ignored.
   * @throws ZodError for a payload that is not of its schema, ScoringError for a model that is none; the book is then unchanged
   */
  apply(event: { readonly stream: string; readonly type: string; readonly data: unknown }): void {
    if (!isScoringEventType(event.type)) return;
    const data = scoringEventSchemas[event.type].parse(event.data);
    this.#fold(event.stream.slice(event.stream.indexOf('-') + 1), { type: event.type, data } as ScoringEvent);
  }

  #fold(modelId: string, { type, data }: ScoringEvent): void {
    const family = this.#family(modelId);
    switch (type) {
      case 'ScoringModelDrafted': {
        const { occurredAt: _, version, ...document } = data;
        const compiled = compileModel(checkScoringModel(document), { modelId, version });
        // Immutable after activation (spec §2.4).
        if (!family.activated.has(version)) family.versions.set(version, compiled);
        return;
      }
      case 'ScoringModelActivated': {
        const model = family.versions.get(data.version);
        if (model === undefined) return;
        family.activated.add(data.version);
        const { effectiveFrom, rescoreExisting } = data;
        this.#insert({ fromMs: Date.parse(effectiveFrom), modelId, model, rescoreExisting });
        return;
      }
      case 'ScoringModelRetired':
        return this.#retire(modelId, data.version, Date.parse(data.occurredAt));
      case 'ScoringModelValidated':
      case 'ScoringModelApproved':
        return;
    }
  }

  #family(modelId: string) {
    let family = this.#families.get(modelId);
    if (family === undefined) this.#families.set(modelId, (family = { versions: new Map(), activated: new Set() }));
    return family;
  }

  /** One that was yet to come is dropped, and the one before it stays; else none of the family is in force from then on. */
  #retire(modelId: string, version: number | undefined, atMs: number): void {
    const own = (span: Span) => span.modelId === modelId && span.model?.version === version;
    const present = this.#spans.findLast((span) => span.modelId === modelId && span.fromMs <= atMs);
    const kept = this.#spans.filter((span) => version === undefined || !own(span) || span.fromMs <= atMs);
    this.#spans.splice(0, this.#spans.length, ...kept);
    if (version === undefined || present?.model?.version === version)
      this.#insert({ fromMs: atMs, modelId, model: null, rescoreExisting: false });
  }

  /** Ascending by `fromMs`; of two with one instant the later recorded one holds. */
  #insert(span: Span): void {
    let at = this.#spans.length;
    while (at > 0 && this.#spans[at - 1]!.fromMs > span.fromMs) at--;
    this.#spans.splice(at, 0, span);
  }

  /** The model that scores at an instant; null: none is active then. */
  inForce(atMs: number): CompiledModel | null {
    return this.activation(atMs)?.model ?? null;
  }

  /** When the next model that existing leads are to be scored under comes into force; null: none is to come. */
  nextRescoringAfter(afterMs: number): number | null {
    const next = this.#spans.find(({ fromMs, rescoreExisting }) => fromMs > afterMs && rescoreExisting);
    return next?.fromMs ?? null;
  }

  activation(atMs: number): Activation | null {
    return this.#before(this.#spans.length, atMs);
  }

  /** The one that was in force until the one in force at `atMs` took its place; null: none was. */
  predecessor(atMs: number): CompiledModel | null {
    const present = this.inForce(atMs);
    for (let i = this.#spans.length - 1; i >= 0; i--) {
      const { fromMs, model } = this.#spans[i]!;
      if (fromMs <= atMs && model === present) return this.#before(i, atMs)?.model ?? null;
    }
    return null;
  }

  #before(end: number, atMs: number): Activation | null {
    const retired = new Set<string>();
    for (let i = end - 1; i >= 0; i--) {
      const { fromMs, model, modelId, rescoreExisting } = this.#spans[i]!;
      if (fromMs > atMs || retired.has(modelId)) continue;
      if (model !== null) return { fromMs, model, rescoreExisting };
      retired.add(modelId);
    }
    return null;
  }

  /** The version drafted last. */
  latest(modelId: string): CompiledModel | null {
    return [...(this.#families.get(modelId)?.versions.values() ?? [])].at(-1) ?? null;
  }

  /** Any version ever drafted, in force or not. */
  get(modelId: string, version: number): CompiledModel | null {
    return this.#families.get(modelId)?.versions.get(version) ?? null;
  }
}
