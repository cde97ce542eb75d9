import { defineConfig } from '@playwright/test';
import base from '../playwright.config';

/** Pictures of the documentation, made from a stack that runs: `./odu demo --keep`, then this. */
export default defineConfig({ ...base, testDir: '.', testMatch: 'shots.ts' });
