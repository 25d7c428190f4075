import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { Problem, type ProblemField } from './problem.js';

/** Issues as `fields[]`: one entry per unknown key, so that a client sees which. */
export function fieldsOf(error: z.ZodError): ProblemField[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ field: [...path, key].join('.'), rule: 'unknown field' }));
    return [{ field: path.join('.'), rule: issue.message }];
  });
}

/** The value as the schema gives it back, or VALIDATION_FAILED with every issue. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = fieldsOf(result.error);
  const [first] = fields;
  throw new Problem(
    'VALIDATION_FAILED',
    first === undefined ? 'invalid' : first.field === '' ? first.rule : `${first.field}: ${first.rule}`,
    { fields },
  );
}

/** `@Query(new ZodPipe(schema))`: what does not fit the schema never reaches the controller. */
export class ZodPipe<T extends z.ZodType> implements PipeTransform<unknown, z.output<T>> {
  constructor(private readonly schema: T) {}

  transform(value: unknown): z.output<T> {
    return parsed(this.schema, value);
  }
}
