/**
 * Takes the pictures of docs/console.md and of the readme from the data of a stack that runs.
 *
 * `ODU_STACK` is its stack.json, `.odu/stack.json` in this checkout if it is not set.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Page, test } from '@playwright/test';

const ROOT = join(import.meta.dirname, '../..');
const OUTPUT = process.env.ODU_SHOTS ?? join(ROOT, 'docs/console');
process.env.ODU_STACK ??= join(ROOT, '.odu/stack.json');
const WIDTH = 1280;
const HIGHEST = 1500;

interface Shot {
  name: string;
  path: string;
  theme?: 'light' | 'dark';
  width?: number;
  before?: (page: Page) => Promise<void>;
}

const follow = (name: RegExp) => async (page: Page) => {
  await page.getByRole('main').getByRole('link', { name }).first().click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
};

const SHOTS: Shot[] = [
  { name: 'overview', path: '' },
  { name: 'deployments', path: '/deployments?tab=finished' },
  {
    name: 'new-deployment',
    path: '/deployments/new?group=north&update=contoso/appliance/1.1',
    before: async (page) => {
      await page.getByRole('radio', { name: /^Careful/ }).check();
      await page
        .getByText(/between|waits for you/)
        .first()
        .waitFor();
    },
  },
  {
    name: 'deployment',
    path: '/deployments?tab=finished',
    theme: 'dark',
    before: follow(/appliance 1\.3/),
  },
  { name: 'updates', path: '/updates' },
  { name: 'import', path: '/updates/import' },
  { name: 'update', path: '/updates/contoso/appliance/1.1' },
  { name: 'devices', path: '/devices?group=pilot' },
  { name: 'device', path: '/devices/toaster-00' },
  { name: 'groups', path: '/groups' },
  { name: 'group', path: '/groups/pilot', theme: 'dark' },
  { name: 'diagnostics', path: '/diagnostics' },
  { name: 'audit', path: '/audit' },
  { name: 'operations', path: '/operations', theme: 'dark' },
  { name: 'phone', path: '', width: 390, theme: 'dark' },
];

/** WebP is a fifth of PNG, and Playwright does not offer it. */
async function take(page: Page, name: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
  writeFileSync(join(OUTPUT, `${name}.webp`), Buffer.from(data, 'base64'));
  await session.detach();
}

test('pictures', async ({ page }) => {
  test.setTimeout(900_000);
  test.skip(!existsSync(process.env.ODU_STACK ?? ''), 'no stack runs: ./odu demo --keep');
  mkdirSync(OUTPUT, { recursive: true });
  const { stack, settled } = await import('../tests/browser/console');
  const home = `${stack.endpoint}/console/${stack.instance}`;
  await page.setViewportSize({ width: WIDTH, height: 860 });
  await page.goto(home);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await take(page, 'sign-in');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  for (const { name, path, theme = 'light', width = WIDTH, before } of SHOTS) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: 860 });
    await page.goto(home + path);
    await settled(page);
    if (before) {
      await before(page);
      await settled(page);
    }
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.min(height, HIGHEST) });
    await settled(page);
    await page.waitForTimeout(1000); // until what is drawn slowly has its final size
    await take(page, name);
  }
});
