/** The screens that meet every device: as fast, and as small, with a large fleet as with a few. */

import { expect, settled, test } from '../browser/console';

const DEVICES = Number(process.env.ODU_CONSOLE_DEVICES);
const SMALL = Number(process.env.ODU_CONSOLE_SMALL);
const ALL = new Intl.NumberFormat('en-GB').format(DEVICES + SMALL);
/** A large fleet may make a screen slower by so much at most, and never below half a second. */
const MOST = 4;
const LEAST_MS = 500;

/** Filters of a list; `{group}` is large or small. */
const LISTS: Record<string, string> = {
  'a group': '/devices?group={group}',
  'by prefix': '/devices?group={group}&starts={group}-1',
  failed: '/devices?group={group}&state=Failed',
  silent: '/devices?group={group}&is=Silent',
  'without an update': '/devices?group={group}&installed=none',
  'on the latest': '/devices?group={group}&latest=yes',
  'no report for a month': '/devices?group={group}&quiet=30',
  'the group itself': '/groups/{group}',
};

test('lists, filters and groups of a large fleet', async ({ page, signIn, visit }) => {
  test.setTimeout(1_200_000);
  await page.setViewportSize({ width: 1440, height: 900 });
  await signIn('Reader');
  await settled(page);
  await expect(page.getByText(`of ${ALL} devices run the best update`)).toBeVisible();

  const time = async (path: string): Promise<number> => {
    const started = Date.now();
    await visit(path);
    return Date.now() - started;
  };
  for (const [name, path] of Object.entries(LISTS)) {
    await test.step(name, async () => {
      const of = (group: string) => path.replaceAll('{group}', group);
      await time(of('small')); // its files are loaded
      const samples: Record<'large' | 'small', number[]> = { large: [], small: [] };
      for (let round = 0; round < 3; round += 1) {
        for (const group of ['large', 'small'] as const) samples[group].push(await time(of(group)));
      }
      const [large, small] = [median(samples.large), median(samples.small)];
      console.log(`${name}: ${large} ms, ${small} ms with ${SMALL} devices`);
      await expect(page.getByRole('alert')).toHaveCount(0);
      expect(large).toBeLessThanOrEqual(Math.max(LEAST_MS, MOST * small));
    });
  }

  await test.step('pages go forward and back, and a reload stays', async () => {
    await visit('/devices?group=large');
    await expect(page.getByText(`of ${ALL}`)).toBeVisible();
    await expect(page.getByRole('row')).toHaveCount(101);
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    console.log(`a page of 100 devices: ${elements} elements`);
    expect(elements).toBeLessThan(5000);
    await page.getByRole('button', { name: 'Next' }).click();
    await expect(page.getByText('Rows 101 to 200, more follow')).toBeVisible();
    await page.getByRole('button', { name: 'Next' }).click();
    await expect(page.getByText('Rows 201 to 300, more follow')).toBeVisible();
    await page.reload();
    await settled(page);
    await expect(page.getByText('Rows 201 to 300, more follow')).toBeVisible();
    await page.goBack();
    await expect(page.getByText('Rows 101 to 200, more follow')).toBeVisible();
    await page.getByRole('button', { name: 'Previous' }).click();
    await expect(page.getByText('Rows 1 to 100, more follow')).toBeVisible();
  });

  await test.step('the overview and the groups know the whole', async () => {
    await visit('/groups');
    await expect(page.getByRole('row', { name: /^large/ })).toContainText(
      new Intl.NumberFormat('en-GB').format(DEVICES),
    );
    await visit('/');
    await expect(page.getByText(`of ${ALL} devices run the best update`)).toBeVisible();
  });
});

const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
