/** What failed for good: shown by cause, and dealt with one by one or all of a cause. */

import { expect, expectAccessible, expectNoSidewaysScroll, settled, stack, test } from './console';
import { poisoned } from './queues';

/** A request is cut off. */
test.use({ expectsFailures: true });

/** More than a queue lists, and more than one request deals with. */
const MANY = 120;

test('all failed messages of a cause are dropped in steps, others stay', async ({
  page,
  signIn,
}) => {
  // an operation that failed is the cause of its messages; of a deployment that is gone none is known
  const gone = { instance: stack.instance, group: 'nowhere', deployment: 'gone' };
  await poisoned(
    'fanout',
    Array.from({ length: MANY }, (_, number) => ({ ...gone, deployment: `gone-${number}` })),
  );
  await signIn('Administrator', '/operations');
  await settled(page);
  const cause = page.getByRole('region', { name: 'No known cause' });
  await expect(cause.getByText(/^32 listed, up to 120 in all$/)).toBeVisible();
  await expect(cause.getByRole('row')).toHaveCount(1 + 5);
  await cause.getByRole('button', { name: 'Show all 32' }).click();
  await expect(cause.getByRole('row')).toHaveCount(1 + 32);

  await cause.getByRole('checkbox').nth(1).check();
  await page.getByRole('button', { name: 'Drop chosen' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).click();
  await expect(page.getByText('1 dropped.')).toBeVisible();

  await cause.getByRole('button', { name: 'Drop all' }).click();
  await expect(page.getByRole('dialog')).toContainText('cannot be brought back');
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).click();
  await expect(page.getByText(`${MANY - 1} dropped.`)).toBeVisible();
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 800 });
  await expectNoSidewaysScroll(page);
  await expect(cause).toHaveCount(0);
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText(`${MANY - 1} dropped.`)).toHaveCount(0);
});

test('what could not be replayed stays, and the action goes on where it stopped', async ({
  page,
  signIn,
}) => {
  const gone = { instance: stack.instance, group: 'nowhere' };
  await poisoned(
    'fanout',
    [1, 2].map((number) => ({ ...gone, deployment: `gone-${number}` })),
  );
  await signIn('Administrator', '/operations');
  await settled(page);
  const cause = page.getByRole('region', { name: 'No known cause' });
  await expect(cause.getByRole('row')).toHaveCount(1 + 2);
  await page.route(/poison:replay/, (route) => route.abort(), { times: 1 });
  await cause.getByRole('button', { name: 'Replay all' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
  await expect(page.getByRole('alert')).toContainText('The service cannot be reached.');
  await expect(cause.getByRole('row')).toHaveCount(1 + 2);
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.getByText('2 set going again.')).toBeVisible();
  await expect(cause).toHaveCount(0);
});
