import { defineConfig } from '@playwright/test';
import base from '../../playwright.config';

/** What takes long, against a stack that runs (`ODU_STACK`): `npm run soak`. */
export default defineConfig({ ...base, testDir: '.', testMatch: '*.spec.ts', timeout: 0 });
