/** What a first visit and each further page cost, as the network carries it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, settled, test } from './console';

const BUILT = join(import.meta.dirname, '../../../functions/console_files');
const FIRST = 270 * 1024;
const FURTHER = 40 * 1024;
const PAGES = [
  '/deployments',
  '/deployments/new',
  '/updates',
  '/updates/import',
  '/updates/contoso/appliance/1.0',
  '/devices',
  '/devices/toaster-00',
  '/groups',
  '/groups/pilot',
  '/diagnostics',
  '/audit',
  '/operations',
];

test('the first load and each further page keep within their limits', async ({
  page,
  signIn,
  open,
}) => {
  const loaded = new Map<string, number>();
  page.on('response', (response) => {
    const name = new URL(response.url()).pathname.split('/console/')[1] ?? '';
    if (name.startsWith('assets/')) {
      loaded.set(name, gzipSync(readFileSync(join(BUILT, name)), { level: 9 }).length);
    }
  });
  await signIn();
  await settled(page);
  const total = () => [...loaded.values()].reduce((sum, size) => sum + size, 0);
  const first = total();
  console.log(`first load: ${(first / 1024).toFixed(1)} KiB gzip in ${loaded.size} files`);
  expect(first).toBeLessThanOrEqual(FIRST);
  const seen = new Set(loaded.keys());
  for (const path of PAGES) {
    await open(path);
    const further = [...loaded].filter(([name]) => !seen.has(name));
    const size = further.reduce((sum, [, each]) => sum + each, 0);
    console.log(`${path}: ${(size / 1024).toFixed(1)} KiB more`);
    expect(size, path).toBeLessThanOrEqual(FURTHER);
    for (const [name] of further) seen.add(name);
  }
});
