/** Roll-outs in phases: planned beside the form, approved by somebody else, steered to their end. */

import type { Page } from '@playwright/test';
import { expect, expectAccessible, settled, test } from './console';

/** Approving what one made oneself is refused. */
test.use({ expectsFailures: true });

/** A roll-out of two phases to a group; the first waits to be told to go on. */
async function create(page: Page, group: string, needsApproval: boolean): Promise<void> {
  await page.getByLabel('Update').selectOption('contoso/appliance/1.1');
  await page.getByLabel('Group').selectOption(group);
  await page.getByRole('radio', { name: /^Normal/ }).check();
  const first = page.getByRole('group', { name: 'Phase 1' });
  await first.getByLabel('Size by').selectOption('number');
  await first.getByLabel('How many more').fill('2');
  await first.getByLabel(/^Watched for/).fill('0');
  await first.getByRole('checkbox', { name: 'Waits for you' }).check();
  if (needsApproval) await page.getByRole('checkbox', { name: /^Somebody else must/ }).check();
  const plan = page.getByRole('complementary', { name: 'What will happen' });
  await expect(plan.getByText('waits for you')).toBeVisible();
  if (needsApproval) await expect(plan.getByText(/once somebody else has approved/)).toBeVisible();
  await page.getByRole('button', { name: 'Create the deployment' }).click();
  await expect(page).toHaveURL(/\/deployments\/[0-9a-f-]{36}$/);
}

const confirm = (page: Page, name: string) =>
  page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

test('a roll-out is approved by another person, goes on when told, and completes', async ({
  page,
  signIn,
  visit,
}) => {
  await signIn('DeploymentsAdministrator', '/deployments/new', 'Ana');
  await settled(page);
  await create(page, 'south', true);
  const place = new URL(page.url()).pathname.split('/').slice(3).join('/');
  await expect(page.getByText('Waits for approval').first()).toBeVisible();
  await page.getByRole('button', { name: 'Approve' }).click();
  await confirm(page, 'Approve');
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
  await page.getByRole('button', { name: 'Keep it as it is' }).click();

  await page.evaluate(() => sessionStorage.clear());
  await signIn('Approver', `/${place}`, 'Li');
  await settled(page);
  await expect(page.getByRole('button', { name: 'Abort' })).toHaveAttribute(
    'aria-disabled',
    'true',
  );
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByLabel('Remark').fill('Seen on the bench');
  await expectAccessible(page);
  await confirm(page, 'Approve');
  await expect(page.getByText('Waits for you to go on').first()).toBeVisible({ timeout: 120_000 });
  await expect(page.getByText('The phase waits for somebody to advance it')).toBeVisible();
  await visit('/deployments');
  await expect(page.getByRole('row', { name: /to south/ })).toContainText(
    'Phase 1 of 2 waits for somebody to advance it',
  );
  await page.evaluate(() => sessionStorage.clear());
  await signIn('Administrator', `/${place}`, 'Li');
  await settled(page);
  await page.getByRole('button', { name: 'Open phase 2 now' }).click();
  await confirm(page, 'Open phase 2 now');
  await expect(page.getByText('Completed').first()).toBeVisible({ timeout: 120_000 });
  await expect(page.getByText('Seen on the bench')).toBeVisible();
});

test('a roll-out is paused, resumed and aborted after its group was typed', async ({
  page,
  signIn,
}) => {
  await signIn('DeploymentsAdministrator', '/deployments/new');
  await settled(page);
  await create(page, 'pilot', false);
  await expect(page.getByText('Waits for you to go on').first()).toBeVisible({ timeout: 120_000 });
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByLabel('Reason').fill('a kettle whistles');
  await confirm(page, 'Pause');
  await expect(page.getByText('a kettle whistles').first()).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).click();
  await confirm(page, 'Resume');
  await expect(page.getByRole('button', { name: 'Pause' })).toBeVisible();
  await page.getByRole('button', { name: 'Abort' }).click();
  const abort = page.getByRole('dialog').getByRole('button', { name: 'Abort' });
  await expect(abort).toBeDisabled();
  await page.getByLabel('Type pilot to go on').fill('pilot');
  await abort.click();
  await expect(page.getByText('Aborted').first()).toBeVisible();
});
