/** Live pages: one feed of changes, age in sight, and what could not be read again. */

import type { Page } from '@playwright/test';
import { expect, settled, test } from './console';

const API = /\/deviceUpdate\//;

/** Let the time of the page pass, as far as its next readings. */
const pass = (page: Page) => page.clock.fastForward(11_000);

test('while nothing changes only the feed is asked; what has changed is read again', async ({
  page,
  signIn,
}) => {
  await page.clock.install();
  await signIn('Reader');
  await settled(page);
  let changed: object[] = [];
  let ticks = 0;
  await page.route('**/changes?**', (route) => {
    ticks += 1;
    const json = { cursor: '2026-01-01T00:00:00Z', changed };
    changed = [];
    return route.fulfill({ json });
  });
  const asked: string[] = [];
  page.on('request', (request) => {
    const name = new URL(request.url()).pathname.split('/').slice(3).join('/');
    if (API.test(request.url()) && name !== 'changes') asked.push(name);
  });
  const tick = async () => {
    const before = ticks;
    await pass(page);
    await expect.poll(() => ticks).toBeGreaterThan(before);
  };
  await tick();
  await tick();
  await settled(page);
  // each minute all is read in any case: one reading of the feed between two of those is looked for
  await expect(async () => {
    asked.length = 0;
    await tick();
    await tick();
    expect(asked).toEqual([]);
  }).toPass();
  let written = 0;
  await expect(async () => {
    asked.length = 0;
    written += 1;
    changed = [{ kind: 'group', id: 'pilot', etag: `${written}` }];
    await tick();
    await expect.poll(() => asked).toContain('management/updateCompliance');
    expect(asked).not.toContain('management/groups/north/updateCompliance');
  }).toPass();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
});

test('a role that may not read the feed polls', async ({ page, signIn }) => {
  await page.clock.install();
  await signIn('ContentReader', '/updates');
  await settled(page);
  const again = page.waitForRequest(/\/updates\?/);
  await pass(page);
  await again;
});

test.describe('what fails', () => {
  test.use({ expectsFailures: true });

  test('a card that cannot be read again keeps its figures and says as of when', async ({
    page,
    signIn,
  }) => {
    await page.clock.install();
    await signIn('Reader', '/operations');
    await settled(page);
    await page.route('**/management/eventHealth?**', (route) =>
      route.fulfill({
        status: 500,
        json: { error: { code: 'Internal', message: 'The table is on fire.' } },
      }),
    );
    const note = page.getByRole('status').filter({ hasText: /As of \d\d:\d\d/ });
    await pass(page);
    await expect(note).toBeVisible();
    await expect(note).toContainText('The table is on fire.');
    await page.unroute('**/management/eventHealth?**');
    await note.getByRole('button', { name: 'Try again' }).click();
    await expect(note).toBeHidden();
  });

  test('a slow service shows where answers will be, then the answers', async ({ page, signIn }) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/management/groups?**', async (route) => {
      await held;
      await route.continue();
    });
    await signIn('Reader', '/groups');
    await expect(page.locator('[aria-busy=true]')).toBeVisible();
    release();
    await expect(page.getByRole('link', { name: 'pilot' })).toBeVisible();
  });

  test('a change that was overtaken is told in the dialog, and nothing is lost', async ({
    page,
    signIn,
  }) => {
    await page.route('**/devices/toaster-00/deployments/**', (route) =>
      route.fulfill({
        status: 412,
        json: { error: { code: 'PreconditionFailed', message: 'Somebody was faster.' } },
      }),
    );
    await signIn('Administrator', '/devices/toaster-00');
    await settled(page);
    await page.getByRole('button', { name: 'Exclude' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill('it smokes');
    await dialog.getByRole('button', { name: 'Exclude' }).click();
    await expect(dialog.getByRole('alert')).toContainText('Somebody was faster.');
    await expect(dialog.getByLabel('Reason')).toHaveValue('it smokes');
  });
});
