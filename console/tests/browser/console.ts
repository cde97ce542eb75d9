/** The console as tests use it: signed in as somebody, with everything watched that must not happen. */

import { readFileSync } from 'node:fs';
import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';

export interface Stack {
  endpoint: string;
  instance: string;
  state: string;
  storage_connection_string: string;
}

export const stack = JSON.parse(readFileSync(process.env.ODU_STACK ?? '', 'utf8')) as Stack;

const home = `/console/${stack.instance}`;

export type Role =
  | 'Administrator'
  | 'Reader'
  | 'ContentAdministrator'
  | 'ContentReader'
  | 'DeploymentsAdministrator'
  | 'DeploymentsReader'
  | 'Approver'
  | 'none';

/** What the browser itself writes for a status that a test expects. */
const OF_THE_NETWORK = /Failed to load resource/;

interface Fixtures {
  /** Statuses that the test expects; the browser's own message on them is no fault. */
  expectsFailures: boolean;
  /** Be somebody on a page; through the sign-in page the first time, from what it left later on. */
  signIn: (role?: Role, path?: string, name?: string) => Promise<void>;
  open: (path: string) => Promise<void>;
  /** The same within the page that is loaded, as a link does it. */
  visit: (path: string) => Promise<void>;
}

interface WorkerFixtures {
  /** What the browser kept for each person that has signed in. */
  people: Map<string, [name: string, value: string][]>;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the pattern
  people: [async ({}, use) => use(new Map()), { scope: 'worker' }],
  expectsFailures: [false, { option: true }],
  page: async ({ page, expectsFailures }, use) => {
    const faults: string[] = [];
    page.on('console', (message) => {
      if (expectsFailures && OF_THE_NETWORK.test(message.text())) return;
      faults.push(`${message.type()}: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) =>
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
      );
    });
    await use(page);
    expect(faults, 'what the page wrote to the console').toEqual([]);
  },
  signIn: async ({ page, people }, use) => {
    await use(async (role = 'Administrator', path = '', name = '') => {
      const address = stack.endpoint + home + path;
      const person = `${role} ${name}`;
      const kept = people.get(person);
      if (!kept) {
        await page.goto(address);
        await signInAs(page, role, name);
        people.set(person, await page.evaluate(() => Object.entries(sessionStorage)));
        return;
      }
      // an empty page of the same origin, without asking the service for it
      const empty = `${stack.endpoint}/console/empty`;
      const body = '<!doctype html><title>empty</title><link rel="icon" href="data:,">';
      await page.route(empty, (route) => route.fulfill({ contentType: 'text/html', body }));
      await page.goto(empty);
      await page.evaluate((entries) => {
        sessionStorage.clear();
        for (const [key, value] of entries) sessionStorage.setItem(key, value);
      }, kept);
      await page.goto(address);
    });
  },
  open: async ({ page }, use) => {
    await use(async (path) => {
      await page.goto(stack.endpoint + home + path);
      await settled(page);
    });
  },
  visit: async ({ page }, use) => {
    await use(async (path) => {
      const nowhere = page.getByRole('heading', { level: 1, name: 'There is no such page' });
      const go = (to: string) =>
        page.evaluate((address) => history.pushState({}, '', address), home + to);
      await go('/nowhere');
      await nowhere.waitFor();
      if (path === '/nowhere') return;
      await go(path);
      await nowhere.waitFor({ state: 'hidden' });
      await settled(page);
    });
  },
});

/** Through the sign-in page, where the console asks for it. */
export async function signInAs(page: Page, role: Role, name = ''): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).click();
  if (name) await page.locator('input[name=name]').fill(name);
  const value = role === 'none' ? '' : `DeviceUpdate${role}`;
  await page.locator(`input[name=role][value="${value}"]`).check();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/console\//);
  // the answer of the sign-in page has been taken over
  await page.getByRole('heading', { level: 1 }).waitFor();
}

export { expect };

/** Until the page has its heading and nothing is being read for the first time. */
export async function settled(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
}

/** Until colours have changed over and what slides in has come; what turns for ever is left out. */
async function atRest(page: Page): Promise<void> {
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((each) => each.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY)
        .map((each) => each.finished),
    ),
  );
}

/** No finding of axe; the only exception is what Fluent's focus handling adds for itself. */
export async function expectAccessible(page: Page): Promise<void> {
  await atRest(page);
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .exclude('[data-tabster-dummy]')
    .analyze();
  const found = violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => node.target.join(' ')).join(' | ')}`,
  );
  expect(found).toEqual([]);
}

/** Nothing reaches beyond the right edge. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(page.viewportSize()?.width ?? 0);
}
