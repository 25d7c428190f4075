import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ImportError } from '#libs/import/src/import-error.js';
import { type ImportCard, Imports } from '#libs/import/src/imports.js';
import type { RowResult } from '#libs/import/src/job-stream.js';
import type { Actor } from '#libs/lead/src/commands.js';
import { invalid, Problem } from '#libs/platform/src/problem.js';
import { parsed, ZodPipe } from '#libs/platform/src/zod-pipe.js';
import { Caller, ForRoles } from '../caller.js';
import { limit } from '../query-fields.js';

export const importId = z.uuid();
/** A name, not a path. Stored files are called otherwise anyway. */
export const fileName = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^/\\\p{Cc}\p{Cs}]+$/u, 'a file name, not a path')
  .refine((name) => name !== '.' && name !== '..', 'a file name, not a path');
const mapping = z
  .union([z.string().min(1).max(64), z.record(z.string(), z.json())])
  .describe('Name of a shipped mapping (generic, olist), or a mapping document');
const announced = z.strictObject({
  name: fileName,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'sha256 in lower-case hex'),
  bytes: z.int().min(0),
});
const inline = z.strictObject({ name: fileName, content: z.string() });
export const importRequest = z.strictObject({
  mapping,
  files: z
    .array(z.union([announced, inline]))
    .min(1)
    .max(16)
    .describe(
      'Announced files are uploaded next; of small ones the content may be here, then the import starts at once',
    ),
});
const seconds = z
  .string()
  .regex(/^\d{1,2}$/, 'must be whole seconds from 0 to 60')
  .transform(Number)
  .refine((n) => n <= 60, 'must be whole seconds from 0 to 60')
  .default(0)
  .describe('Answer when the import is through, at the latest after so many seconds');
export const waitQuery = z.strictObject({ wait: seconds });
export const createQuery = z.strictObject({
  mapping: z.string().default('generic').describe('With a CSV or NDJSON body: name of the mapping'),
  name: fileName
    .optional()
    .describe('With a CSV or NDJSON body: name of the file; default import.csv or import.ndjson'),
  wait: seconds,
});
export const rowsQuery = z.strictObject({
  outcome: z.enum(['accepted', 'skipped', 'rejected']).optional(),
  limit: limit(10_000, 1000),
  cursor: z.string().regex(/^\d{1,9}$/, 'must be a cursor as an answer gave it').transform(Number).default(0), // prettier-ignore
});
const nothing = z.strictObject({});

const count = z.int().min(0);
const counts = z.object({ accepted: count, skipped: count, rejected: count });
export const importCard = z.object({
  id: z.string(),
  mapping: z.string(),
  status: z.enum(['awaiting_files', 'ready', 'queued', 'running', 'interrupted', 'failed', 'finished']),
  counts: counts.describe('Leads of the latest run: written, there already, refused'),
  totals: counts.describe('Over all runs'),
  rows: count.describe('Data rows of the primary file'),
  rowsDone: count,
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  files: z.array(z.object({ name: z.string(), bytes: count, uploaded: z.boolean() })),
  error: z.string().nullable(),
});
export const importList = z.object({ imports: z.array(importCard) });
export const importRows = z.object({
  rows: z.array(
    z.object({
      rowNo: z.int().describe('Data row of the primary file, from 1; the first one of the lead'),
      outcome: z.enum(['accepted', 'skipped', 'rejected']),
      leadId: z.string().optional(),
      events: z.int().optional(),
      code: z.string().optional(),
      field: z.string().optional(),
      file: z.string().optional().describe('Set when the row is not of the primary file'),
      reason: z.string().optional(),
    }),
  ),
  cursor: z.string().nullable().describe('`cursor` of the next page; null: this was the last'),
});

/**
 * Imports of history: announce files, upload them, start; or all in one request. The same mapping and files again are the
 * same import.
 */
@ForRoles('ops', 'integration')
@Controller('v1/imports')
export class ImportsController {
  constructor(private readonly imports: Imports) {}

  @Post()
  @HttpCode(200)
  async create(
    @Req() request: FastifyRequest,
    @Query(new ZodPipe(createQuery)) query: z.output<typeof createQuery>,
    @Caller() caller: Actor,
  ): Promise<ImportCard> {
    const { body } = request;
    if (body instanceof Readable) return this.#take(request, body, query, caller);
    const { mapping, files } = parsed(importRequest, body);
    return coded(async () => {
      const contents = files.flatMap((file) => ('content' in file ? [file] : []));
      if (contents.length === 0)
        return this.imports.create({ mapping, files: files as z.output<typeof announced>[] }, caller);
      if (contents.length < files.length) throw invalid('files', 'either all with their content or none');
      const { id } = await this.imports.takeAll(mapping, contents, caller);
      return this.imports.settled(id, query.wait * 1000);
    });
  }

  async #take(
    request: FastifyRequest,
    body: Readable,
    { mapping, name, wait }: z.output<typeof createQuery>,
    caller: Actor,
  ): Promise<ImportCard> {
    const isCsv = (request.headers['content-type'] ?? '').startsWith('text/csv');
    const fileName = name ?? (isCsv ? 'import.csv' : 'import.ndjson');
    return coded(async () => {
      const { id } = await this.imports.take(mapping, fileName, body, caller);
      return this.imports.settled(id, wait * 1000);
    });
  }

  @Get()
  async list(@Query() query: object): Promise<{ imports: ImportCard[] }> {
    parsed(nothing, query);
    return { imports: await this.imports.list() };
  }

  @Get(':id')
  card(
    @Param('id', new ZodPipe(importId)) id: string,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
  ): Promise<ImportCard> {
    return coded(() => this.imports.settled(id, wait * 1000));
  }

  @Put(':id/files/:name')
  upload(
    @Param('id', new ZodPipe(importId)) id: string,
    @Param('name', new ZodPipe(fileName)) name: string,
    @Req() request: FastifyRequest,
  ): Promise<ImportCard> {
    const { body } = request;
    if (!(body instanceof Readable)) throw invalid('content-type', 'send the file as text/csv or application/x-ndjson');
    return coded(() => this.imports.upload(id, name, body));
  }

  @Post(':id/start')
  @HttpCode(202)
  start(
    @Param('id', new ZodPipe(importId)) id: string,
    @Query(new ZodPipe(waitQuery)) { wait }: z.output<typeof waitQuery>,
    @Body() body: unknown,
  ): Promise<ImportCard> {
    parsed(nothing, body ?? {});
    return coded(async () => {
      await this.imports.start(id);
      return this.imports.settled(id, wait * 1000);
    });
  }

  @Get(':id/rows')
  async rows(
    @Param('id', new ZodPipe(importId)) id: string,
    @Query(new ZodPipe(rowsQuery)) { outcome, limit, cursor }: z.output<typeof rowsQuery>,
  ): Promise<{ rows: readonly RowResult[]; cursor: string | null }> {
    const { rows, next } = await coded(() => this.imports.rows(id, { outcome, limit, from: cursor }));
    return { rows, cursor: next === null ? null : String(next) };
  }

  @Get(':id/rejects')
  async rejects(@Param('id', new ZodPipe(importId)) id: string, @Res() reply: FastifyReply): Promise<void> {
    const path = await coded(() => this.imports.rejects(id));
    if (path === null) throw new Problem('NOT_FOUND', 'there is no rejects file of this import here (any more)');
    await reply
      .header('content-type', 'application/x-ndjson')
      .header('content-disposition', `attachment; filename="rejects-${id}.ndjson"`)
      .send(createReadStream(path));
  }
}

/** What is wrong with an import as the platform's problem. */
async function coded<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    if (error.code === 'IMPORT_UNKNOWN') throw new Problem('NOT_FOUND', error.message);
    const path = error.code === 'MAPPING_INVALID' ? ['mapping', error.field] : [error.field];
    const field = path.filter((part) => part !== undefined && part !== '').join('.');
    throw new Problem('VALIDATION_FAILED', error.message, {
      reason: error.code,
      fields: [{ field, rule: error.message }],
    });
  }
}
