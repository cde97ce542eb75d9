/** The main ways through the console by the keyboard alone. */

import type { Locator, Page } from '@playwright/test';
import { expect, settled, test } from './console';

/** Press Tab until the focus is there. */
async function tabTo(page: Page, target: Locator, most = 80): Promise<void> {
  for (let presses = 0; presses < most; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the focus did not get there by ${most} presses of Tab`);
}

test('a deployment is prepared without a mouse', async ({ page, signIn }) => {
  await signIn('DeploymentsAdministrator');
  await settled(page);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  const create = page.getByRole('main').getByRole('link', { name: 'New deployment' }).first();
  await tabTo(page, create);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'New deployment' })).toBeFocused();
  await tabTo(page, page.getByLabel('Update'));
  await page.keyboard.type('contoso / appliance 1.1');
  await tabTo(page, page.getByLabel('Group'));
  await page.keyboard.type('north');
  await tabTo(page, page.getByRole('radio', { name: /^At once, to all/ }));
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('radio', { name: /^Normal/ })).toBeChecked();
  await expect(page.getByRole('group', { name: 'Phase 2' })).toBeVisible();
  const button = page.getByRole('button', { name: 'Create the deployment' });
  await expect(button).not.toHaveAttribute('aria-disabled', 'true');
  await tabTo(page, button);
});

test('files are chosen and described without a mouse', async ({ page, signIn }) => {
  // the browser must know that a chooser is awaited before a key opens one
  page.on('filechooser', (chooser) =>
    chooser.setFiles([
      { name: 'run.sh', mimeType: 'text/x-sh', buffer: Buffer.from('#!/bin/sh\n') },
    ]),
  );
  await signIn('Administrator', '/updates/import');
  await settled(page);
  await tabTo(page, page.getByRole('button', { name: 'choose files' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: /^Remove run.sh/ }));
  for (const [label, value] of [
    ['Provider', 'contoso'],
    ['Name', 'keys'],
    ['Version', '1.0'],
  ] as const) {
    await tabTo(page, page.getByRole('textbox', { name: new RegExp(`^${label}`) }));
    await page.keyboard.type(value);
  }
  await tabTo(page, page.getByRole('checkbox', { name: 'contoso fridge' }));
  await page.keyboard.press('Space');
  await expect(page.getByText('The manifest is valid')).toBeVisible();
  await tabTo(page, page.getByRole('button', { name: 'Upload and import' }));
});

test('a device is found, opened and asked about without a mouse', async ({ page, signIn }) => {
  await signIn('Administrator');
  await settled(page);
  await page.keyboard.press('/');
  await page.keyboard.type('toaster-10');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/devices\/toaster-10$/);
  await settled(page);
  await tabTo(page, page.getByRole('button', { name: 'Exclude' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.getByRole('button', { name: 'Exclude' })).toBeFocused();
  await page.keyboard.press('Tab');
});
