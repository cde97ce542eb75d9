/** What each role sees: what it may not do is there, disabled, and says which role may. */

import { expect, type Role, settled, test } from './console';

const MAY_DEPLOY: Record<Role, boolean> = {
  Administrator: true,
  Reader: false,
  ContentAdministrator: false,
  ContentReader: false,
  DeploymentsAdministrator: true,
  DeploymentsReader: false,
  none: false,
};
const MAY_DELETE: Role[] = ['Administrator', 'ContentAdministrator'];

test.use({ expectsFailures: true });

for (const role of Object.keys(MAY_DEPLOY) as Role[]) {
  if (role === 'none') continue;
  test(`${role} sees what it may do`, async ({ page, signIn }) => {
    await signIn(role, '/updates/contoso/appliance/1.0');
    await settled(page);
    const deploy = page.getByRole('button', { name: 'Deploy', exact: true });
    const remove = page.getByRole('button', { name: 'Delete', exact: true });
    await expectAllowed(deploy, MAY_DEPLOY[role]);
    await expectAllowed(remove, MAY_DELETE.includes(role));
  });
}

async function expectAllowed(
  button: ReturnType<import('@playwright/test').Page['getByRole']>,
  isAllowed: boolean,
): Promise<void> {
  if (isAllowed) {
    await expect(button).not.toHaveAttribute('aria-disabled', 'true');
    return;
  }
  await expect(button).toHaveAttribute('aria-disabled', 'true');
  await button.focus();
  await expect(button.page().getByRole('tooltip')).toContainText('It needs');
}

test('somebody without a role is told so', async ({ page, signIn }) => {
  await signIn('none');
  await page.waitForURL(/\/console\/[^/#?]+/);
  await settled(page);
  await page.goto(page.url().replace(/\/console\/.*/, '/console/'));
  await expect(page.getByText('You have no role here')).toBeVisible();
});

test('a role without management reads no devices, and the page says who may', async ({
  page,
  signIn,
}) => {
  await signIn('ContentReader', '/devices');
  await expect(page.getByRole('alert').first()).toContainText('management/read');
});
