import { defineConfig } from '@playwright/test';
import base from '../../playwright.config';

/** A fleet of `ODU_CONSOLE_DEVICES` devices in two groups, `large` and `small`. */
export default defineConfig({ ...base, testDir: '.' });
