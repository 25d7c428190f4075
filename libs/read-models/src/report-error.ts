/** A query that cannot be answered as asked: `status` 400 for its parameters, 422 where only live figures exist. */
export class ReportError extends Error {
  readonly status: 400 | 422;
  readonly fields: readonly { readonly field: string; readonly rule: string }[];

  constructor(
    readonly code: 'VALIDATION_FAILED' | 'AS_OF_NOT_SUPPORTED',
    detail: string,
    fields: readonly { readonly field: string; readonly rule: string }[] = [],
  ) {
    super(detail);
    this.name = 'ReportError';
    this.status = code === 'VALIDATION_FAILED' ? 400 : 422;
    this.fields = fields;
  }
}

export const invalidParameter = (field: string, rule: string): ReportError =>
  new ReportError('VALIDATION_FAILED', `${field}: ${rule}`, [{ field, rule }]);
