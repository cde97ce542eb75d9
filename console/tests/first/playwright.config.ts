import { defineConfig } from '@playwright/test';
import base from '../../playwright.config';

/** An instance in which nothing has happened yet, and the way to its first device. */
export default defineConfig({ ...base, testDir: '.' });
