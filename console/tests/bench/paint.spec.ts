/**
 * How long a person waits for the first paint and for the first live figure, in turns with a bare
 * page of one script and one read that the same kind of host serves: on the first visit of a browser,
 * and on the next one.
 *
 * `ODU_BARE` is that host, `ODU_TOKEN` what the bare page reads with, `ODU_ROUNDS` how often, and
 * `ODU_FIGURES` the file that the samples are written to.
 */

import { writeFileSync } from 'node:fs';
import type { Browser, BrowserContext } from '@playwright/test';
import { expect, settled, stack, test } from '../browser/console';

const ROUNDS = Number(process.env.ODU_ROUNDS ?? 5);
const BARE = process.env.ODU_BARE ?? '';

interface Visit {
  /** Milliseconds from the beginning of the navigation. */
  paint: number;
  figure: number;
  /** Bytes that the network carried for pages, scripts and styles. */
  bytes: number;
}

interface Visits {
  cold: Visit;
  warm: Visit;
}

type Kept = [name: string, value: string][];

declare global {
  interface Window {
    /** When a figure stood on the page. */
    figureAt?: number;
  }
}

test('first paint and first live figure', async ({ browser, page, signIn }) => {
  await signIn('Reader');
  await settled(page);
  const session: Kept = await page.evaluate(() => Object.entries(sessionStorage));
  await page.context().close();
  const places = {
    console: { address: `${stack.endpoint}/console/${stack.instance}`, session },
    bare: {
      address: `${BARE}/console/#${stack.instance}`,
      session: [['token', process.env.ODU_TOKEN ?? '']] as Kept,
    },
  };
  const samples: Record<'console' | 'bare', Visits[]> = { console: [], bare: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const order = round % 2 ? (['bare', 'console'] as const) : (['console', 'bare'] as const);
    for (const name of order) {
      const visits = await visitTwice(browser, places[name].address, places[name].session);
      if (round > 0) samples[name].push(visits); // the hosts have answered once before
    }
  }
  expect(samples.console).toHaveLength(ROUNDS);
  for (const { cold, warm } of samples.console) {
    expect(warm.bytes, 'no script is loaded again').toBeLessThan(cold.bytes / 10);
  }
  writeFileSync(process.env.ODU_FIGURES ?? 'figures.json', JSON.stringify(samples));
});

/** Visits of a browser that knows nothing but who is signed in. */
async function visitTwice(browser: Browser, address: string, session: Kept): Promise<Visits> {
  const context = await browser.newContext({ ignoreHTTPSErrors: false });
  await context.addInitScript((entries) => {
    for (const [name, value] of entries) sessionStorage.setItem(name, value);
    const watcher = new MutationObserver(() => {
      if (!/\d %/.test(document.querySelector('main')?.textContent ?? '')) return;
      window.figureAt ??= performance.now();
      watcher.disconnect();
    });
    watcher.observe(document, { childList: true, subtree: true, characterData: true });
  }, session);
  const cold = await visit(context, address);
  const warm = await visit(context, address);
  await context.close();
  return { cold, warm };
}

async function visit(context: BrowserContext, address: string): Promise<Visit> {
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(
    () =>
      window.figureAt !== undefined &&
      performance.getEntriesByName('first-contentful-paint').length > 0,
  );
  const seen = await page.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    figure: window.figureAt ?? 0,
    bytes: [
      ...performance.getEntriesByType('navigation'),
      ...performance.getEntriesByType('resource'),
    ]
      .map((each) => each as PerformanceResourceTiming)
      .filter((each) => each.name.includes('/console/'))
      .reduce((sum, each) => sum + each.transferSize, 0),
  }));
  await page.close();
  return seen;
}
