/**
 * An empty instance: every page says what is missing and what to do, and the guide of the overview
 * leads to the first device that is up to date. Each step ticks itself only once it has happened.
 *
 * `ODU_FLEET` is the command that runs one simulated device, as a JSON list.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import {
  expect,
  expectAccessible,
  expectNoSidewaysScroll,
  settled,
  test,
} from '../browser/console';

/** In order: the instance is empty until the guide has been followed. */
test.describe.configure({ mode: 'serial' });

const PICTURES = process.env.ODU_PICTURES;

const EMPTY: [path: string, says: string | RegExp][] = [
  ['/', 'From here to the first device that is up to date'],
  ['/deployments', 'Nothing is being rolled out'],
  ['/deployments?tab=planned', 'Nothing is planned'],
  ['/deployments?tab=finished', 'Nothing has been rolled out yet'],
  ['/deployments/new', /^There is no update that can be deployed/],
  ['/updates', 'No update was imported yet'],
  ['/updates/import', /^Drop files here/],
  ['/devices', 'No device has reported yet'],
  ['/groups', 'There are no groups yet'],
  ['/diagnostics', 'No logs were collected yet'],
  ['/audit', /^Nothing was done yet|^The chain of/],
  ['/operations', 'No device has been heard of'],
];

for (const [width, colorScheme] of [
  [1440, 'light'],
  [390, 'dark'],
] as const) {
  test(`an empty instance says on every page what comes next, ${width} ${colorScheme}`, async ({
    page,
    signIn,
    visit,
  }) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await signIn();
    await settled(page);
    for (const [path, says] of EMPTY) {
      await test.step(path, async () => {
        await visit(path);
        await expect(page.getByRole('main').getByText(says).first()).toBeVisible();
        await expect(page.getByRole('alert')).toHaveCount(0);
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
        if (PICTURES) await picture(page, `empty${path}-${width}-${colorScheme}`);
      });
    }
  });
}

async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES!, { recursive: true });
  const path = join(PICTURES!, `${name.replaceAll(/[/?=]+/g, '-')}.png`);
  await page.screenshot({ path, fullPage: true });
}

const step = (page: Page, title: string) =>
  page.getByRole('main').getByRole('heading', { name: new RegExp(`^${title} ?: done$`) });

test('the guide leads from nothing to the first device that is up to date', async ({
  page,
  signIn,
}) => {
  test.setTimeout(600_000);
  const overview = page.getByRole('navigation').getByRole('link', { name: 'Overview' });
  await page.setViewportSize({ width: 1440, height: 900 });
  await signIn();
  await settled(page);
  await expect(page.getByText('0 of 5 done')).toBeVisible();
  await expect(page.getByText('./odu fleet 3 --group pilot')).toBeVisible();

  const device = await start();
  try {
    await expect(page.getByText('2 of 5 done')).toBeVisible({ timeout: 120_000 });
    await expect(step(page, 'Connect a device')).toBeVisible();
    await expect(step(page, 'See its group')).toBeVisible();
    await expect(step(page, 'Import an update')).toHaveCount(0);
    if (PICTURES) await picture(page, 'guide-1440-light');

    await page
      .getByRole('listitem')
      .filter({ hasText: 'Import an update' })
      .getByText('Open')
      .click();
    await page
      .getByTestId('files')
      .setInputFiles([
        { name: 'run.sh', mimeType: 'text/x-sh', buffer: Buffer.from('#!/bin/sh\nexit 0\n') },
      ]);
    await page.getByRole('textbox', { name: /^Provider/ }).fill('contoso');
    await page.getByRole('textbox', { name: /^Name/ }).fill('first');
    await page.getByRole('textbox', { name: /^Version/ }).fill('1.0');
    await page.getByRole('checkbox', { name: 'contoso toaster' }).check();
    await page.getByRole('button', { name: 'Upload and import' }).click();
    await expect(page.getByText('Imported', { exact: true })).toBeVisible({ timeout: 120_000 });

    await overview.click();
    await expect(page.getByText('3 of 5 done')).toBeVisible();
    await expect(step(page, 'Deploy it')).toHaveCount(0);
    await page.getByRole('listitem').filter({ hasText: 'Deploy it' }).getByText('Open').click();
    await page.getByLabel('Update').selectOption('contoso/first/1.0');
    await page.getByLabel('Group').selectOption('pilot');
    await page.getByRole('button', { name: 'Create the deployment' }).click();
    await expect(page).toHaveURL(/\/groups\/pilot\/deployments\//);

    await overview.click();
    // the last step ticks itself by what the device reports, and then the guide has done its work
    await expect(page.getByText(/^From here to the first device/)).toBeHidden({ timeout: 120_000 });
    await expect(page.getByText('100 %').first()).toBeVisible({ timeout: 120_000 });
    await page.getByRole('navigation').getByRole('link', { name: 'Devices' }).click();
    await page.getByRole('link', { name: 'pilot-001' }).click();
    await expect(page.getByRole('heading', { name: 'It has contoso / first 1.0' })).toBeVisible();
  } finally {
    device.kill('SIGTERM');
    await once(device, 'exit');
  }
});

/** A simulated device that runs. */
async function start(): Promise<ChildProcess> {
  const [command, ...argv] = JSON.parse(process.env.ODU_FLEET ?? '[]') as string[];
  const device = spawn(command!, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(device.stdout!, 'data');
  expect(String(line)).toContain('running');
  return device;
}
