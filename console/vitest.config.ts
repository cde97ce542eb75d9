import { defineConfig } from 'vitest/config';

/** Logic alone, without a browser; pages are tested in one (`tests/browser`). */
export default defineConfig({
  test: { include: ['tests/unit/**/*.test.ts'], setupFiles: ['tests/unit/setup.ts'] },
});
