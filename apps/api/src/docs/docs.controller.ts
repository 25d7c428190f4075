import { Controller, Get, Header, Query, Res } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FastifyReply } from 'fastify';
import { Problem } from '#libs/platform/src/problem.js';
import { SignInLink } from '#libs/platform/src/sign-in-link.js';
import { openApiDocument } from '../openapi/openapi.js';
import { routes } from '../openapi/routes.js';

const VERSION = '0.1.0';

const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>body{font:16px/1.5 system-ui;max-width:44rem;margin:3rem auto;padding:0 1rem}code{word-break:break-all}</style>
${body}</html>`;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** The API's own description. Everything is served from here: no page of ours asks another host for anything. */
@Controller()
export class DocsController {
  #document: string | null = null;

  constructor(private readonly signInLink: SignInLink) {}

  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  openapi(): string {
    return (this.#document ??= JSON.stringify(openApiDocument(routes, VERSION)));
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:")
  docs(): string {
    return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lead Ledger API</title>
<script type="module" src="/docs/rapidoc.js"></script>
<rapi-doc spec-url="/openapi.json" render-style="read" load-fonts="false" show-header="false" allow-server-selection="false"></rapi-doc></html>`;
  }

  @Get('docs/rapidoc.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', 'public, max-age=86400')
  rapidoc(): Promise<string> {
    return readFile(fileURLToPath(import.meta.resolve('rapidoc')), 'utf8');
  }

  /** The link printed at start. The console that it is made for is not part of this version, and it says so. */
  @Get('sign-in')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('cache-control', 'no-store')
  @Header('referrer-policy', 'no-referrer')
  signIn(@Query('token') token: unknown, @Res({ passthrough: true }) reply: FastifyReply): string {
    if (typeof token !== 'string') throw new Problem('UNAUTHENTICATED', 'use the link that the start printed');
    if (!this.signInLink.redeem(token)) {
      void reply.code(401);
      return page(
        'Link used',
        '<h1>This link was used or is too old</h1><p>Restart the ledger for a new one, or use an API key.',
      );
    }
    return page(
      'Signed in',
      `<h1>You are in</h1><p>The console comes in a later version; until then everything is reached by the API.
<p>Your administrator key, shown here once: <code>${escaped(this.signInLink.adminKey)}</code>
<p>Send it as <code>Authorization: Bearer &lt;key&gt;</code>. <a href="/docs">The API's documentation</a>`,
    );
  }
}
