import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import request from 'supertest';
import type { RunningLedger } from '#apps/ledger/src/start.js';
import { makeLogger } from '#libs/platform/src/logging.js';
import { parseSettings } from '#libs/platform/src/settings.js';
import { chromiumPath, startChromium } from './support/chromium.js';
import { ledgerHere } from './support/ledger-here.js';

const ADMIN_KEY = 'an-administrators-key-of-the-pages';
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const WAIT_MS = 60_000;

let dir: string;
let ledger: RunningLedger;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lead-ledger-pages-'));
  const settings = parseSettings({
    DATA_DIR: join(dir, 'data'),
    PORT: '0',
    LEDGER_ADMIN_KEY: ADMIN_KEY,
    LOG_LEVEL: 'silent',
  });
  ledger = await ledgerHere(settings, makeLogger('silent', 'pages'));
}, 60_000);
afterAll(async () => {
  await ledger?.stop();
  await rm(dir, { recursive: true, force: true });
}, 30_000);

describe('what anybody may ask', () => {
  it('says that it runs, and when it is ready', async () => {
    await request(ledger.url).get('/healthz').expect(200, { status: 'ok' });
    let answer = await request(ledger.url).get('/readyz');
    for (let tries = 0; answer.status === 503 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      answer = await request(ledger.url).get('/readyz');
    }
    expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ ready: true, missing: [] })]);
  });

  it('shows its metrics in the text format of Prometheus', async () => {
    const { text } = await request(ledger.url)
      .get('/metrics')
      .expect(200)
      .expect('content-type', /^text\/plain; version=0\.0\.4/);
    expect(text).toMatch(/^# TYPE process_resident_memory_bytes gauge$/m);
  });

  it('describes itself as OpenAPI 3.1', async () => {
    const { body } = await request(ledger.url)
      .get('/openapi.json')
      .expect(200)
      .expect('content-type', /^application\/json/);
    expect(body.openapi).toMatch(/^3\.1\.\d+$/);
    expect(body.paths['/v1/leads'].post.operationId).toEqual(expect.any(String));
  });

  it('answers an unknown route with a problem', async () => {
    const { body } = await request(ledger.url)
      .get('/v1/nowhere')
      .set('authorization', `Bearer ${ADMIN_KEY}`)
      .expect(404)
      .expect('content-type', /^application\/problem\+json/);
    expect(body).toMatchObject({ status: 404, title: expect.any(String), code: expect.any(String) });
  });

  it('shows nothing else without a key', async () => {
    await request(ledger.url).get('/v1/leads').expect(401);
  });
});

const executable = chromiumPath();
if (executable === null) console.warn('no chromium on PATH: how the pages look in a browser is skipped');

(executable === null ? describe.skip : describe)('the pages in a browser', () => {
  let browser: Browser;
  let desktop: BrowserContext;
  let phone: BrowserContext;
  /** Requests to anywhere but the ledger, errors of scripts, and what the content security policy refused. */
  const complaints: string[] = [];

  const opened = async (context: BrowserContext): Promise<BrowserContext> => {
    context.setDefaultTimeout(WAIT_MS);
    context.on('request', (asked) => {
      if (!/^(data|blob):/.test(asked.url()) && new URL(asked.url()).origin !== ledger.url)
        complaints.push(`asks ${asked.url()}`);
    });
    context.on('weberror', (failure) => complaints.push(String(failure.error())));
    context.on('console', (message) => {
      // The page of a used link is a 401, which the browser also tells here.
      if (message.type() === 'error' && !message.location().url.includes('/sign-in')) complaints.push(message.text());
    });
    return context;
  };
  beforeAll(async () => {
    browser = await startChromium(executable!);
    desktop = await opened(await browser.newContext({ viewport: DESKTOP }));
    phone = await opened(await browser.newContext({ viewport: PHONE, isMobile: true, hasTouch: true }));
  }, 90_000);
  afterAll(() => browser?.close(), 30_000);

  /** As it was seen: kept when PAGES_SCREENSHOTS names a folder. */
  const picture = async (page: Page, name: string): Promise<void> => {
    const folder = process.env['PAGES_SCREENSHOTS'] ?? dir;
    const bytes = await page.screenshot({ path: join(folder, `${name}.png`) });
    expect(bytes.length).toBeGreaterThan(1000);
  };
  /** How far one would have to scroll to the right to see everything, in CSS pixels. RapiDoc's own pane cuts off instead. */
  const hiddenToTheRight = (page: Page): Promise<number> =>
    page.evaluate(`{
      const pane = document.querySelector('rapi-doc')?.shadowRoot.querySelector('main');
      const page = document.documentElement;
      Math.max(page.scrollWidth - window.innerWidth, pane ? pane.scrollWidth - pane.clientWidth : 0);
    }`);
  const sizes = () => [
    { name: 'desktop', context: desktop, width: DESKTOP.width },
    { name: 'phone', context: phone, width: PHONE.width },
  ];

  it('show the documentation of every operation, without asking any other host', async () => {
    const { body } = await request(ledger.url).get('/openapi.json');
    const operations = Object.values<object>(body.paths).flatMap((path) => Object.keys(path));
    for (const { name, context, width } of sizes()) {
      const page = await context.newPage();
      await page.goto(`${ledger.url}/docs`);
      const shown = page.locator('rapi-doc .expanded-endpoint-body');
      await shown.nth(operations.length - 1).waitFor();
      expect([name, await shown.count()]).toEqual([name, operations.length]);
      const capture = shown.filter({ hasText: 'CaptureLead' }).first();
      expect(await capture.innerText()).toMatch(/post\s+\/v1\/leads/i);
      await picture(page, `docs-${name}`);
      expect([name, await page.evaluate('window.innerWidth')]).toEqual([name, width]);
      expect([name, await hiddenToTheRight(page)]).toEqual([name, 0]);
      await page.close();
    }
    expect(complaints).toEqual([]);
  }, 120_000);

  it('sign in by the link once, and say so the second time', async () => {
    const page = await desktop.newPage();
    // A link checker that looked before does not use it up.
    expect((await fetch(ledger.signInUrl, { method: 'HEAD' })).status).toBe(200);
    expect((await page.goto(ledger.signInUrl))?.status()).toBe(200);
    expect(await page.getByRole('heading').innerText()).toBe('You are in');
    expect(await page.locator('body').innerText()).toContain(ADMIN_KEY);
    expect(await page.getByRole('link', { name: 'documentation' }).getAttribute('href')).toBe('/docs');
    await picture(page, 'sign-in-desktop');
    expect(await hiddenToTheRight(page)).toBe(0);
    await page.setViewportSize(PHONE);
    await picture(page, 'sign-in-phone');
    expect(await hiddenToTheRight(page)).toBe(0);
    // The visit is worth the figures, too, for as long as its tab is open.
    await page.getByRole('link', { name: 'how the funnel does' }).click();
    await page.getByText('Qualified leads').waitFor();
    await page.close();

    for (const { name, context, width } of sizes()) {
      const again = await context.newPage();
      expect((await again.goto(ledger.signInUrl))?.status()).toBe(401);
      expect(await again.getByRole('heading').innerText()).toBe('This link was used or is too old');
      expect(await again.locator('body').innerText()).not.toContain(ADMIN_KEY);
      await picture(again, `sign-in-used-${name}`);
      expect([name, await again.evaluate('window.innerWidth')]).toEqual([name, width]);
      expect([name, await hiddenToTheRight(again)]).toEqual([name, 0]);
      await again.close();
    }
    expect(complaints).toEqual([]);
  }, 120_000);

  it('tell how the funnel does, show the leads behind a number, and let nobody in without a key', async () => {
    const key = `Bearer ${ADMIN_KEY}`;
    const command = async (path: string, body: object): Promise<string> => {
      const answer = await request(ledger.url).post(path).set('authorization', key).send(body);
      expect([path, answer.body.code, answer.status < 300]).toEqual([path, undefined, true]);
      return answer.body.position;
    };
    const leadIds = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
    for (const leadId of leadIds) {
      const consents = [{ purpose: 'email_marketing', basis: 'consent' }];
      const person = { email: `${leadId}@example.org` };
      await command('/v1/leads', {
        leadId,
        person,
        source: { channel: 'search' },
        consents,
        interest: { kind: 'active' },
      });
    }
    const position = await command(`/v1/leads/${leadIds[0]}/mark-mql`, { reason: 'fits' });
    await request(ledger.url).get(`/v1/leads?after=${position}`).set('authorization', key).expect(200);
    for (const { name, context, width } of sizes()) {
      const page = await context.newPage();
      await page.goto(ledger.url);
      await page.getByLabel('API key').fill('wrong');
      await page.getByRole('button', { name: 'Sign in' }).click();
      expect(await page.getByRole('alert').innerText()).toBe('This key is not known here.');
      await picture(page, `console-key-${name}`);
      await page.getByLabel('API key').fill(ADMIN_KEY);
      await page.getByRole('button', { name: 'Sign in' }).click();
      const toMql = page.getByRole('row', { name: 'LEAD → MQL' });
      await toMql.waitFor();
      expect(await toMql.innerText()).toMatch(/1 of 3\s+33\.3\s%/);
      expect(await page.getByRole('heading', { level: 2 }).first().innerText()).toBe('Qualified leads');
      expect(await page.getByRole('link', { name: 'API documentation' }).getAttribute('href')).toBe('/docs');
      await picture(page, `console-${name}`);
      expect([name, await page.evaluate('window.innerWidth')]).toEqual([name, width]);
      expect([name, await hiddenToTheRight(page)]).toEqual([name, 0]);
      await toMql.getByRole('button', { name: '3', exact: true }).click();
      await page.getByRole('cell', { name: leadIds[2]! }).waitFor();
      expect(await page.getByRole('row').count()).toBe(1 + 3);
      await picture(page, `console-leads-${name}`);
      expect([name, await hiddenToTheRight(page)]).toEqual([name, 0]);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.reload();
      await page.getByLabel('API key').waitFor();
      await page.close();
    }
    // The browser tells of the refusal of the wrong key.
    expect(complaints.filter((complaint) => !complaint.includes('401'))).toEqual([]);
  }, 120_000);
});
