/** Answers that are no success, a service that is away, and data that is hostile. */

import { expect, settled, test } from './console';

test.use({ expectsFailures: true });

const GROUPS = '**/management/groups?**';

for (const [status, code] of [
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [409, 'Conflict'],
  [412, 'PreconditionFailed'],
] as const) {
  test(`${status} is told in the card, with the words of the API`, async ({ page, signIn }) => {
    await page.route(GROUPS, (route) =>
      route.fulfill({
        status,
        json: { error: { code, message: `The service says ${status}.`, target: 'groupId' } },
      }),
    );
    await signIn('Reader', '/groups');
    const alert = page.getByRole('alert');
    await expect(alert).toContainText(`The service says ${status}.`);
    await expect(alert).toContainText(code);
    await page.unroute(GROUPS);
    await alert.getByRole('button', { name: 'Try again' }).click();
    await expect(page.getByRole('link', { name: 'pilot' })).toBeVisible();
  });
}

for (const status of [429, 503]) {
  test(`${status} is waited for as long as the service asks`, async ({ page, signIn }) => {
    let answers = 0;
    await page.route(GROUPS, (route) => {
      answers += 1;
      return answers > 1
        ? route.continue()
        : route.fulfill({
            status,
            headers: { 'Retry-After': '1' },
            json: { error: { code: 'TooManyRequests', message: 'Later.' } },
          });
    });
    await signIn('Reader', '/groups');
    await expect(page.getByRole('link', { name: 'pilot' })).toBeVisible();
  });
}

test('a token that is refused is replaced without a word', async ({ page, signIn }) => {
  let answers = 0;
  await page.route(GROUPS, (route) => {
    answers += 1;
    return answers === 1
      ? route.fulfill({ status: 401, json: { error: { code: 'Unauthorized', message: 'No.' } } })
      : route.continue();
  });
  await signIn('Reader', '/groups');
  await expect(page.getByRole('link', { name: 'pilot' })).toBeVisible();
});

test('when the service is away the figures stay, and the head says so', async ({
  page,
  signIn,
}) => {
  await page.clock.install();
  await signIn('Reader', '/groups');
  await settled(page);
  await page.route('**/deviceUpdate/**', (route) => route.abort());
  await page.clock.fastForward(11_000);
  await expect(page.getByText('Offline')).toBeVisible({ timeout: 90_000 });
  await expect(page.getByRole('link', { name: 'pilot' })).toBeVisible();
  await page.unroute('**/deviceUpdate/**');
  await page.clock.fastForward(11_000);
  await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 90_000 });
});

test('a change that fails is told in its dialog, whatever the reason, and can be tried again', async ({
  page,
  signIn,
}) => {
  const order = '**/devices/toaster-04/deployments/**';
  await signIn('Administrator', '/devices/toaster-04');
  await settled(page);
  await page.getByRole('button', { name: 'Exclude' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('it smokes');
  for (const [status, code, heading] of [
    [403, 'Forbidden', 'Your role does not allow this'],
    [404, 'NotFound', 'It is not there, or not any more.'],
    [409, 'Conflict', 'This was not done'],
    [412, 'PreconditionFailed', 'This was not done'],
    [429, 'TooManyRequests', 'This was not done'],
    [503, 'ServiceUnavailable', 'This was not done'],
    [0, '', 'This was not done'],
  ] as const) {
    await test.step(`${status || 'offline'}`, async () => {
      await page.route(order, (route) =>
        status === 0
          ? route.abort()
          : route.fulfill({
              status,
              json: { error: { code, message: `The service says ${status}.` } },
            }),
      );
      await dialog.getByRole('button', { name: 'Exclude' }).click();
      const alert = dialog.getByRole('alert');
      await expect(alert).toContainText(heading);
      await expect(alert).toContainText(
        status === 0 ? 'The service cannot be reached.' : `The service says ${status}.`,
      );
      await expect(dialog.getByLabel('Reason')).toHaveValue('it smokes');
      await page.unroute(order);
    });
  }
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
});

test('what is not there says so on its own page, with the way back', async ({
  page,
  signIn,
  visit,
}) => {
  await signIn('Reader');
  await settled(page);
  for (const [path, back] of [
    ['/devices/nobody', 'Devices'],
    ['/groups/nowhere', 'Groups'],
    ['/updates/contoso/appliance/9.9', 'Updates'],
    ['/groups/pilot/deployments/none', 'Deployments'],
    ['/imports/none', 'Updates'],
    ['/exports/none', 'Devices'],
    ['/diagnostics/none', 'Diagnostics'],
  ] as const) {
    await test.step(path, async () => {
      await visit(path);
      await expect(page.getByRole('alert')).toContainText('It is not there, or not any more.');
      const crumbs = page.getByRole('navigation', { name: 'Where this is' });
      await expect(crumbs.getByRole('link', { name: back })).toBeVisible();
    });
  }
});

test('hostile text stays text and keeps the rows', async ({ page, signIn }) => {
  const hostile = `<img src=x onerror=alert(1)>\u202e\u0000${'w'.repeat(10_000)}`;
  const device = {
    deviceId: `toaster-!$'(),:=@%_*?.${'x'.repeat(100)}`,
    deviceClassId: 'c',
    groupId: '<script>alert(2)</script>',
    onLatestUpdate: false,
    deploymentStatus: 'Failed',
    failure: { code: '1', message: hostile, nextStep: hostile },
    installedUpdate: { updateId: { provider: 'p', name: '<b>n</b>', version: '1.0' } },
    lastContactDateTime: '2026-01-02T03:04:05Z',
  };
  await page.route('**/management/devices?**', (route) =>
    route.fulfill({ json: { value: [device] } }),
  );
  await page.setViewportSize({ width: 1440, height: 900 });
  await signIn('Reader', '/devices');
  await settled(page);
  const row = page.getByRole('row').nth(1);
  await expect(row).toContainText('<img src=x');
  expect((await row.boundingBox())?.height).toBeLessThan(60);
  expect(await page.locator('main img, main script, main b >> text=n').count()).toBe(0);
});
