import { defineConfig } from '@playwright/test';
import base from '../../playwright.config';

/** Measured by `./odu bench console`. */
export default defineConfig({ ...base, testDir: '.', timeout: 1_200_000 });
