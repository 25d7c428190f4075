/** What can be wrong with an import as a whole. A row's own trouble is no error: it is a `Reject`. */
export type ImportErrorCode =
  'MAPPING_INVALID' | 'MAPPING_UNKNOWN' | 'IMPORT_INVALID' | 'IMPORT_UNKNOWN' | 'FILE_MISSING' | 'FILE_INVALID';

export class ImportError extends Error {
  constructor(
    readonly code: ImportErrorCode,
    message: string,
    /** Dotted path inside the mapping or the request, when one member is to blame. */
    readonly field?: string,
  ) {
    super(message);
    this.name = 'ImportError';
  }
}

/** Why a cell cannot become part of a command. */
export class CellError extends Error {
  constructor(
    /** The column to blame. */
    readonly column: string,
    message: string,
  ) {
    super(message);
    this.name = 'CellError';
  }
}
