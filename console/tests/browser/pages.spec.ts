/** Every page in both themes, wide and narrow: accessible, within the window, silent. */

import { expect, expectAccessible, expectNoSidewaysScroll, settled, test } from './console';

const PAGES: [name: string, path: string][] = [
  ['overview', '/'],
  ['deployments', '/deployments'],
  ['finished deployments', '/deployments?tab=finished'],
  ['new deployment', '/deployments/new?group=pilot&update=contoso/appliance/1.1'],
  ['updates', '/updates'],
  ['import', '/updates/import'],
  ['update', '/updates/contoso/appliance/1.0'],
  ['devices', '/devices'],
  ['devices of a group', '/devices?group=pilot&state=Succeeded'],
  ['device', '/devices/toaster-00'],
  ['groups', '/groups'],
  ['group', '/groups/pilot'],
  ['diagnostics', '/diagnostics'],
  ['audit', '/audit'],
  ['operations', '/operations'],
  ['an address that leads nowhere', '/nowhere'],
  ['updates that can be deployed', '/updates?show=deployable'],
];

for (const theme of ['light', 'dark'] as const) {
  test(`every page is accessible, ${theme}`, async ({ page, signIn, visit }) => {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width: 1440, height: 1000 });
    await signIn();
    await settled(page);
    for (const [name, path] of PAGES) {
      await test.step(name, async () => {
        await visit(path);
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
      });
    }
  });
}

test('every page fits a phone', async ({ page, signIn, visit }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn();
  await settled(page);
  for (const [name, path] of PAGES) {
    await test.step(name, async () => {
      await visit(path);
      await expectNoSidewaysScroll(page);
    });
  }
  await expectAccessible(page);
});

test('the keys lead to the pages, and the list of them is accessible', async ({ page, signIn }) => {
  await signIn();
  await settled(page);
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await expect(page).toHaveURL(/\/devices$/);
  await settled(page);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.keyboard.press('/');
  await page.keyboard.type('pil');
  await expect(page.getByRole('option', { name: /^pilot group/ })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/groups\/pilot$/);
});

test('a deep link survives the sign-in and a reload', async ({ page, signIn }) => {
  await signIn('Administrator', '/devices?group=pilot');
  await settled(page);
  await expect(page.getByText('Group is pilot')).toBeVisible();
  await page.reload();
  await settled(page);
  await expect(page.getByText('Group is pilot')).toBeVisible();
});
