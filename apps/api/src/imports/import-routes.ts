import { z } from 'zod';
import type { Route } from '../openapi/route.js';
import {
  createQuery,
  fileName,
  importCard,
  importId,
  importList,
  importRequest,
  importRows,
  rowsQuery,
  waitQuery,
} from './imports.controller.js';

const roles = ['ops', 'integration'] as const;
const card = { description: 'The import', schema: importCard, name: 'Import' };
const FILE_TYPES = ['text/csv', 'application/x-ndjson'];

export const importRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/imports',
    tag: 'Imports',
    summary: 'Announce an import; or bring its files along and start it.',
    operationId: 'createImport',
    roles,
    query: createQuery,
    body: { schema: importRequest, name: 'ImportRequest', contentTypes: ['application/json', ...FILE_TYPES] },
    answers: { 200: card },
  },
  {
    method: 'GET',
    path: '/v1/imports',
    tag: 'Imports',
    summary: 'Every import, newest first.',
    operationId: 'listImports',
    roles,
    answers: { 200: { description: 'The imports', schema: importList, name: 'ImportList' } },
  },
  {
    method: 'GET',
    path: '/v1/imports/{id}',
    tag: 'Imports',
    summary: 'Where an import stands.',
    operationId: 'readImport',
    roles,
    params: { id: importId },
    query: waitQuery,
    answers: { 200: card },
  },
  {
    method: 'PUT',
    path: '/v1/imports/{id}/files/{name}',
    tag: 'Imports',
    summary: 'Upload an announced file.',
    operationId: 'uploadImportFile',
    roles,
    params: { id: importId, name: fileName },
    body: { schema: z.string(), contentTypes: FILE_TYPES },
    answers: { 200: card },
  },
  {
    method: 'POST',
    path: '/v1/imports/{id}/start',
    tag: 'Imports',
    summary: 'Begin, or go on; refused rows are tried again.',
    operationId: 'startImport',
    roles,
    params: { id: importId },
    query: waitQuery,
    answers: { 202: card },
  },
  {
    method: 'GET',
    path: '/v1/imports/{id}/rows',
    tag: 'Imports',
    summary: 'Outcomes lead by lead.',
    operationId: 'listImportRows',
    roles,
    params: { id: importId },
    query: rowsQuery,
    answers: { 200: { description: 'A page', schema: importRows, name: 'ImportRows' } },
  },
  {
    method: 'GET',
    path: '/v1/imports/{id}/rejects',
    tag: 'Imports',
    summary: 'The refused rows with row number, code, field and their columns as they came.',
    operationId: 'readImportRejects',
    roles,
    params: { id: importId },
    answers: {
      200: {
        description: 'One line a row: {file, row, line, code, field, message, columns}',
        contentTypes: ['application/x-ndjson'],
        schema: z.looseObject({ row: z.int(), code: z.string() }),
      },
    },
  },
];
