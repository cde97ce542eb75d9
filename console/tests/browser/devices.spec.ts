/** Devices: filters in the address, orders for one and for several, the search of the head. */

import { expect, expectAccessible, settled, test } from './console';

test('filters are in the address, as tags, and can be taken off', async ({ page, signIn }) => {
  await signIn('Reader', '/devices');
  await settled(page);
  await page.getByLabel('Id begins with').fill('fridge-0');
  await expect(page).toHaveURL(/starts=fridge-0/);
  await expect(page.getByRole('link', { name: /^toaster/ })).toHaveCount(0);
  await page.getByRole('combobox', { name: 'Group' }).selectOption('pilot');
  await expect(page).toHaveURL(/group=pilot/);
  await page.getByText('More filters').click();
  await page.getByLabel('Last report').selectOption('7');
  await expect(page.getByText('No device is like that')).toBeVisible();
  await page.reload();
  await settled(page);
  await expect(page.getByText('No report for 7 days')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Remove: No report for 7 days' }).click();
  await expect(page.getByRole('link', { name: /^fridge-0/ }).first()).toBeVisible();
  await page.goBack();
  await expect(page.getByText('No device is like that')).toBeVisible();
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await expect(page.getByRole('link', { name: /^toaster/ }).first()).toBeVisible();
});

test('a device is excluded, which stands on its page, and included again', async ({
  page,
  signIn,
}) => {
  await signIn('Administrator', '/devices/toaster-06');
  await settled(page);
  await page.getByRole('button', { name: 'Exclude' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('in the workshop');
  await dialog.getByRole('checkbox', { name: /^From every deployment/ }).check();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Exclude' }).click();
  const orders = page.getByRole('region', { name: 'Ordered for this device alone' });
  await expect(orders).toContainText('Excluded from every deployment');
  await expect(orders).toContainText('in the workshop');
  await orders.getByRole('button', { name: 'Include again' }).click();
  await expect(orders).toBeHidden();
});

test('several devices are excluded at once; what is refused is named', async ({ page, signIn }) => {
  await page.route('**/devices/*/deployments/*:exclude?**', (route) =>
    route.request().url().includes('/fridge-01/')
      ? route.fulfill({
          status: 409,
          json: { error: { code: 'Conflict', message: 'It is busy.' } },
        })
      : route.fulfill({ json: { orders: [], deployments: [] } }),
  );
  await signIn('Administrator', '/devices?group=pilot');
  await settled(page);
  await page.getByRole('checkbox', { name: 'Choose all of this page' }).check();
  await page.getByRole('button', { name: 'Exclude' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Exclude 4 devices?');
  await dialog.getByRole('button', { name: 'Exclude' }).click();
  await expect(dialog.getByRole('alert')).toContainText('fridge-01 It is busy.');
  await dialog.getByRole('button', { name: 'Keep it as it is' }).click();
});

test('an update is deployed to one device alone', async ({ page, signIn, visit }) => {
  await signIn('Administrator', '/devices/toaster-08');
  await settled(page);
  await page.getByRole('button', { name: 'Deploy to it' }).click();
  await page.getByRole('dialog').getByLabel('Update').selectOption('contoso/appliance/1.1');
  await page.getByRole('dialog').getByRole('button', { name: 'Deploy' }).click();
  await expect(page.getByRole('heading', { name: 'It has contoso / appliance 1.1' })).toBeVisible({
    timeout: 120_000,
  });
  await visit('/updates/contoso/appliance/1.1');
  const own = page.getByRole('region', { name: 'Devices with a deployment of their own' });
  await expect(own.getByRole('link', { name: 'toaster-08' })).toBeVisible();
  await page.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('dialog')).toContainText('1 device has a deployment of its own');
  await page.getByRole('button', { name: 'Keep it as it is' }).click();
  await visit('/devices/toaster-08');
  const orders = page.getByRole('region', { name: 'Ordered for this device alone' });
  await orders.getByRole('button', { name: 'Take back' }).click();
  await expect(orders).toBeHidden();
});

test.use({ expectsFailures: true });
