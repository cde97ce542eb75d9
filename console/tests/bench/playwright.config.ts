import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig } from '@playwright/test';
import base from '../../playwright.config';

/** Chromium keeps no file of a host that it does not trust, so it is told to trust the stack's key. */
function keyOf(certificate: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificate));
  const text = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(text).digest('base64');
}

const key = keyOf(join(dirname(process.env.ODU_STACK ?? ''), 'server.pem'));

/** Measured by `./odu bench console`. */
export default defineConfig({
  ...base,
  testDir: '.',
  timeout: 1_200_000,
  use: {
    ...base.use,
    launchOptions: {
      ...base.use?.launchOptions,
      args: ['--no-sandbox', `--ignore-certificate-errors-spki-list=${key}`],
    },
  },
});
