/** Every dialog and menu, opened in both themes: accessible, and gone without a trace by Escape. */

import type { Page } from '@playwright/test';
import { expect, expectAccessible, settled, stack, test } from './console';

interface Dialog {
  name: string;
  path: string;
  /** The button that opens it. */
  button: string | RegExp;
  before?: (page: Page) => Promise<void>;
}

const choose = async (page: Page) => {
  await page.getByRole('checkbox', { name: 'Choose all of this page' }).check();
};

const DIALOGS: Dialog[] = [
  { name: 'export', path: '/devices?group=pilot', button: 'Export' },
  { name: 'exclude several', path: '/devices?group=pilot', button: 'Exclude', before: choose },
  { name: 'deploy to one', path: '/devices/fridge-03', button: 'Deploy to it' },
  { name: 'exclude one', path: '/devices/fridge-03', button: 'Exclude' },
  { name: 'delta', path: '/updates/contoso/appliance/1.1', button: 'Make a delta' },
  { name: 'recall', path: '/updates/contoso/appliance/1.1', button: 'Recall' },
  { name: 'delete an update', path: '/updates/contoso/appliance/1.1', button: 'Delete' },
  { name: 'read again', path: '/operations', button: /^Read all devices/ },
  { name: 'replay', path: '/operations', button: 'Replay chosen', before: choose },
  { name: 'drop all of a cause', path: '/operations', button: 'Drop all' },
];

const POISON = {
  id: 'm1',
  queue: 'import-fetch',
  work: 'fetch of an import',
  cause: 'DependencyFailed',
  reason: 'The storage account was away.',
  about: { update: 'contoso/appliance/1.1' },
  isOver: false,
  putDateTime: '2026-01-02T03:04:05Z',
};

test('every dialog is accessible in both themes, and closes by Escape', async ({
  page,
  signIn,
  visit,
}) => {
  await page.route('**/operations/poison?**', (route) =>
    route.fulfill({ json: { value: [POISON] } }),
  );
  await signIn();
  await settled(page);
  for (const { name, path, button, before } of DIALOGS) {
    await test.step(name, async () => {
      await visit(path);
      await before?.(page);
      const opener = page.getByRole('main').getByRole('button', { name: button, exact: true });
      await expect(opener).not.toHaveAttribute('aria-disabled', 'true');
      await opener.click();
      await expectOpen(page);
      await expect(opener).toBeFocused();
    });
  }
});

/** The dialog that is open in both themes, then closed. */
async function expectOpen(page: Page): Promise<void> {
  const dialog = page.getByRole('dialog');
  await expect(dialog).toBeVisible();
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expect(page.locator(`[data-theme=${colorScheme}]`).first()).toBeAttached();
    await expectAccessible(page);
  }
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
}

test('the menus of the head and the drawer are accessible', async ({ page, signIn }) => {
  await signIn();
  await settled(page);
  await page.getByRole('button', { name: /^Account/ }).click();
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'Pages' }).click();
  await expect(page.getByRole('dialog', { name: 'Pages' })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  expect(page.url()).toContain(stack.instance);
});
