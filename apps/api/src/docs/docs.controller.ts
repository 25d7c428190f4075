import { Controller, Get, Header, Query, Res } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FastifyReply } from 'fastify';
import { Problem } from '#libs/platform/src/problem.js';
import { SignInLink } from '#libs/platform/src/sign-in-link.js';
import { openApiDocument } from '../openapi/openapi.js';
import { routes } from '../openapi/routes.js';
import { CONSOLE_PAGE, CONSOLE_SCRIPT } from './console-page.js';

const VERSION = '0.1.0';

/** As wide as the device is, and no icon to be asked for: there is none. */
const head = (title: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>${title}</title>`;

const page = (title: string, body: string): string =>
  `${head(title)}<style>body{font:16px/1.5 system-ui;max-width:44rem;margin:3rem auto;padding:0 1rem}code{overflow-wrap:anywhere}</style>
${body}</html>`;

/** On a phone RapiDoc would cut off the licence on the left, and long paths and the button that tries an operation on the right. */
const DOCS_ON_A_PHONE = `<style>@media (max-width:600px){
rapi-doc::part(section-overview){padding-left:16px}
rapi-doc::part(section-operation){overflow-wrap:anywhere}
rapi-doc::part(btn-fill),rapi-doc::part(btn-clear),rapi-doc::part(btn-try){padding:6px;font-size:11px}
}</style>`;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Pages run scripts of ours only, and ask nobody else. */
const OURS_ONLY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/** The API's own description, and the first page of the console. Everything is served from here: no page of ours asks another host for anything. */
@Controller()
export class DocsController {
  #document: string | null = null;

  constructor(private readonly signInLink: SignInLink) {}

  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  openapi(): string {
    return (this.#document ??= JSON.stringify(openApiDocument(routes, VERSION)));
  }

  /** How the funnel does, for whoever is signed in. */
  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', OURS_ONLY)
  @Header('referrer-policy', 'no-referrer')
  home(): string {
    return CONSOLE_PAGE;
  }

  @Get('console.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  consoleScript(): string {
    return CONSOLE_SCRIPT;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', OURS_ONLY)
  docs(): string {
    return `${head('Lead Ledger API')}${DOCS_ON_A_PHONE}
<script type="module" src="/docs/rapidoc.js"></script>
<rapi-doc spec-url="/openapi.json" render-style="read" load-fonts="false" show-header="false" allow-server-selection="false"></rapi-doc></html>`;
  }

  @Get('docs/rapidoc.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', 'public, max-age=86400')
  rapidoc(): Promise<string> {
    return readFile(fileURLToPath(import.meta.resolve('rapidoc')), 'utf8');
  }

  /** The link printed at start. */
  @Get('sign-in')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('cache-control', 'no-store')
  @Header('content-security-policy', OURS_ONLY)
  @Header('referrer-policy', 'no-referrer')
  signIn(@Query('token') token: unknown, @Res({ passthrough: true }) reply: FastifyReply): string {
    if (typeof token !== 'string') throw new Problem('UNAUTHENTICATED', 'use the link that the start printed');
    // A link checker or a preview asks by HEAD: that must not use the link up.
    if (reply.request.method === 'HEAD') return '';
    if (!this.signInLink.redeem(token)) {
      void reply.code(401);
      return page(
        'Link used',
        '<h1>This link was used or is too old</h1><p>Restart the ledger for a new one, or use an API key.',
      );
    }
    return page(
      'Signed in',
      `<h1>You are in</h1><p><a href="/">See how the funnel does</a>. Everything else is reached by the API.
<p>Your administrator key, shown here once:<br><code id="key">${escaped(this.signInLink.adminKey)}</code>
<p>Send it as <code>Authorization: Bearer &lt;key&gt;</code>. <a href="/docs">The API's documentation</a>
<script type="module" src="/console.js"></script>`,
    );
  }
}
