/** What people do with the console, from the first to the last step. */

import { expect, expectAccessible, settled, stack, test } from './console';

test('a new deployment is planned, created and followed to its end', async ({ page, signIn }) => {
  await signIn('DeploymentsAdministrator', '/deployments/new');
  await settled(page);
  const create = page.getByRole('button', { name: 'Create the deployment' });
  await expect(create).toHaveAttribute('aria-disabled', 'true');
  await page.getByLabel('Update').selectOption('contoso/appliance/1.1');
  await page.getByLabel('Group').selectOption('north');
  await expect(page.getByText('will be asked to install')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Group')).toHaveValue('north');
  await create.click();
  await expect(page).toHaveURL(/\/groups\/north\/deployments\//);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('appliance 1.1 to north');
  await expect(page.getByRole('img', { name: /^Devices by state/ })).toHaveAttribute(
    'aria-label',
    /: [1-9]\d* succeeded$/,
    { timeout: 120_000 },
  );
  await page.getByRole('button', { name: 'Cancel deployment' }).click();
  await expect(page.getByRole('dialog')).toContainText('No device is in the middle of it');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Keep it as it is' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
});

test('files become an update: hashed, described, checked, uploaded, imported, recalled', async ({
  page,
  signIn,
}) => {
  await signIn('Administrator', '/updates/import');
  await settled(page);
  await page.getByTestId('files').setInputFiles([
    { name: 'install.sh', mimeType: 'text/x-sh', buffer: Buffer.from('#!/bin/sh\nexit 0\n') },
    { name: 'data.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(9 << 20, 7) },
  ]);
  await expect(page.getByText(/violations?$/).first()).toBeVisible();
  const send = page.getByRole('button', { name: 'Upload and import' });
  await expect(send).toHaveAttribute('aria-disabled', 'true');
  await page.getByLabel('Provider').fill('fabrikam');
  await page.getByRole('textbox', { name: /^Name/ }).fill('kettle');
  await page.getByLabel('Version').fill('1');
  await expect(
    page
      .locator('#content')
      .getByText(/version/i)
      .nth(1),
  ).toBeVisible();
  await page.getByLabel('Version').fill('2.0');
  await page.getByLabel('manufacturer').fill('fabrikam');
  await page.getByLabel('model').fill('kettle');
  await page.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByText('The manifest is valid')).toBeVisible();
  await expectAccessible(page);
  await send.click();
  await expect(page).toHaveURL(/\/imports\//);
  await expect(page.getByText('Imported', { exact: true })).toBeVisible({ timeout: 120_000 });
  await page.getByRole('link', { name: 'Show the update' }).click();
  await settled(page);
  await expect(page.getByText('install.sh').first()).toBeVisible();
  await page.getByRole('button', { name: 'Recall' }).click();
  await expect(page.getByRole('dialog')).toContainText('no device has a deployment of its own');
  await page.getByLabel(/^Reason/).fill('it boils dry');
  await page.getByLabel('Type 2.0 to go on').fill('2.0');
  await page.getByRole('dialog').getByRole('button', { name: 'Recall' }).click();
  await expect(page.getByText('Recalled: it boils dry')).toBeVisible();
});

test('what was done is in the audit log, before and after', async ({ page, signIn }) => {
  await signIn('Administrator', '/audit');
  await settled(page);
  await expect(page.getByText(/The chain of \d+ entries is intact/)).toBeVisible();
  await page.getByRole('row').nth(1).getByRole('link').click();
  await expect(page.getByRole('heading', { name: /^Entry \d+/ })).toBeVisible();
});

test('logs are collected from devices that were chosen in the list', async ({ page, signIn }) => {
  await signIn('Administrator', '/devices?group=south');
  await settled(page);
  await page
    .getByRole('checkbox', { name: /^Choose toaster/ })
    .first()
    .check();
  await page.getByRole('button', { name: 'Collect logs' }).click();
  await expect(page.getByLabel(/^Device ids/)).toHaveValue(/^toaster-/);
  await page.getByLabel('Description').fill('Why is it warm?');
  await page.getByRole('button', { name: 'Collect', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Why is it warm?');
});

test('the console leads to itself from the front page and signs out', async ({ page, signIn }) => {
  await signIn();
  await settled(page);
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.goto(stack.endpoint);
  await expect(page).toHaveURL(/\/console\//);
});
