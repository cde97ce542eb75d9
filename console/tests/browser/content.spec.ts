/** Deltas of an update and files of devices: asked for, followed, fetched. */

import { readFileSync } from 'node:fs';
import { expect, expectAccessible, settled, test } from './console';

test('the devices of a filter are exported, and the file holds them', async ({ page, signIn }) => {
  await signIn('Reader', '/devices?group=pilot');
  await settled(page);
  await page.getByRole('button', { name: 'Export' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('that the filters select');
  await dialog.getByRole('radio', { name: /^CSV/ }).check();
  await dialog.getByRole('button', { name: 'Export' }).click();
  await expect(page).toHaveURL(/\/exports\//);
  await expect(page.getByText('Written', { exact: true })).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole('main')).toContainText('Devices written4');
  await expectAccessible(page);
  const fetched = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  const file = await fetched;
  expect(file.suggestedFilename()).toBe('devices.csv');
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n');
  expect(lines).toHaveLength(5);
  expect(lines.join('\n')).toContain('toaster-00');
  await page.getByRole('link', { name: /groupId eq/ }).click();
  await expect(page).toHaveURL(/devices\?group=pilot/);
});

test('an export that failed, or that the role does not have, says so', async ({ page, signIn }) => {
  const failed = {
    operationId: 'x1',
    status: 'Failed',
    createdDateTime: '2026-01-02T03:04:05Z',
    lastActionDateTime: '2026-01-02T03:05:05Z',
    etag: 'e',
    export: { format: 'parquet', deviceCount: 20_000, filter: 'isConnected eq true' },
    error: { code: 'DependencyFailed', message: 'The storage account was away.' },
  };
  await page.route('**/management/operations/x1?**', (route) => route.fulfill({ json: failed }));
  await signIn('Reader', '/exports/x1');
  await settled(page);
  await expect(page.getByText('The storage account was away.')).toBeVisible();
  await expect(page.getByRole('main')).toContainText('20,000');
  const download = page.getByRole('button', { name: 'Download' });
  await expect(download).toHaveAttribute('aria-disabled', 'true');
});

test('a delta is made from an older version, and shown with the file', async ({ page, signIn }) => {
  await signIn('ContentAdministrator', '/updates/contoso/recipes/1.1');
  await settled(page);
  await page.getByRole('button', { name: 'Make a delta' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('What devices have')).toHaveValue('1.0');
  await dialog.getByRole('button', { name: 'Make a delta' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Deltas for');
  await expect(page.getByText('Made', { exact: true })).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole('row', { name: /recipes\.db/ })).toContainText(/9\d\.\d % made/);
  await page.getByRole('link', { name: 'Show the update' }).click();
  await expect(page.getByRole('list', { name: 'Deltas' })).toContainText(/saves 9\d\.\d %/);
});

test('the outcome of deltas: what they save, and why a file has none', async ({ page, signIn }) => {
  const operation = {
    operationId: 'd1',
    createdDateTime: '2026-01-02T03:04:05Z',
    lastActionDateTime: '2026-01-02T03:05:05Z',
    etag: 'e',
    update: { updateId: { provider: 'contoso', name: 'appliance', version: '1.1' } },
  };
  const running = {
    ...operation,
    status: 'Running',
    stage: 'delta',
    bytesDone: 1 << 20,
    bytesTotal: 4 << 20,
  };
  const done = {
    ...operation,
    status: 'Succeeded',
    deltas: [
      { fileName: 'image.bin', sizeInBytes: 4 << 20, deltaSizeInBytes: 40_000 },
      { fileName: 'noise.bin', sizeInBytes: 1 << 20, reason: 'It would save only 3 %.' },
    ],
  };
  let answers = 0;
  await page.route('**/updates/operations/d1?**', (route) => {
    answers += 1;
    return route.fulfill({ json: answers < 3 ? running : done });
  });
  await signIn('ContentReader', '/imports/d1');
  await expect(page.getByText('1 MiB of 4 MiB compared')).toBeVisible();
  const row = page.getByRole('row', { name: /image\.bin/ });
  await expect(row).toContainText('99.0 %');
  await expect(page.getByRole('row', { name: /noise\.bin/ })).toContainText(
    'It would save only 3 %',
  );
  await expectAccessible(page);
});
