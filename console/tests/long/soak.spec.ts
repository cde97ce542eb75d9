/**
 * Live pages that stay open: memory must not grow, and requests are counted.
 *
 * `ODU_SOAK_MINUTES` says how long (60), `ODU_SOAK_PAGE` which page below the instance (the overview).
 */

import { expect, settled, test } from '../browser/console';

const MINUTES = Number(process.env.ODU_SOAK_MINUTES ?? 60);
const PATH = process.env.ODU_SOAK_PAGE ?? '/';
/** Until caches are filled and everything was shown once. */
const WARM_UP_MINUTES = Math.min(5, MINUTES / 4);
const MOST_GROWTH = 1.15;

interface Sample {
  minute: number;
  heapMiB: number;
  nodes: number;
  listeners: number;
  requests: number;
}

test('a live page that stays open does not grow', async ({ page, signIn }) => {
  const requests = new Map<string, number>();
  page.on('response', (response) => {
    const { pathname, origin } = new URL(response.url());
    if (origin !== new URL(page.url()).origin || pathname.startsWith('/console/')) return;
    const name = `${pathname.split('/').slice(3).join('/')} ${response.status()}`;
    requests.set(name, (requests.get(name) ?? 0) + 1);
  });
  await signIn('Administrator', PATH);
  await settled(page);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');

  const sample = async (minute: number): Promise<Sample> => {
    await session.send('HeapProfiler.collectGarbage');
    const { metrics } = await session.send('Performance.getMetrics');
    const of = (name: string) => metrics.find((each) => each.name === name)?.value ?? 0;
    return {
      minute,
      heapMiB: of('JSHeapUsedSize') / 2 ** 20,
      nodes: of('Nodes'),
      listeners: of('JSEventListeners'),
      requests: [...requests.values()].reduce((sum, each) => sum + each, 0),
    };
  };
  const samples: Sample[] = [];
  for (let minute = 0; minute <= MINUTES; minute += 1) {
    if (minute > 0) await page.waitForTimeout(60_000);
    const taken = await sample(minute);
    samples.push(taken);
    console.log(JSON.stringify(taken));
  }
  console.log(JSON.stringify(Object.fromEntries(requests), null, 1));
  const warm = samples.filter((each) => each.minute >= WARM_UP_MINUTES);
  const half = Math.ceil(warm.length / 2);
  const least = (part: Sample[], of: (each: Sample) => number) => Math.min(...part.map(of));
  const [before, after] = [warm.slice(0, half), warm.slice(half)];
  for (const of of [
    (each: Sample) => each.heapMiB,
    (each: Sample) => each.nodes,
    (each: Sample) => each.listeners,
  ]) {
    expect(least(after, of)).toBeLessThanOrEqual(least(before, of) * MOST_GROWTH);
  }
});
