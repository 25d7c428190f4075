import type { z } from 'zod';
import type { Role } from '#libs/lead/src/commands.js';

/** One route as the OpenAPI document tells it. The controllers validate with the same schemas. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** OpenAPI form: `/v1/leads/{leadId}`. */
  readonly path: string;
  readonly tag: string;
  /** One line, a sentence. */
  readonly summary: string;
  /** Unique name for generated clients, camelCase. */
  readonly operationId: string;
  /** Besides admin; omitted: every authenticated caller; null: nobody is asked who he is. */
  readonly roles?: readonly Role[] | null;
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, { readonly schema: z.ZodType; readonly description: string }>>;
  readonly body?: RouteBody;
  readonly answers: Readonly<Record<number, RouteAnswer>>;
}

export interface RouteBody {
  readonly schema: z.ZodType;
  readonly contentTypes?: readonly string[];
  /** Name under `components.schemas`; omitted: written in place. */
  readonly name?: string;
}

export interface RouteAnswer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly name?: string;
  readonly contentTypes?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}
