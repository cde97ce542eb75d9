import { resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compress } from './tooling/compress.ts';

const SHARED_BY_ALL = [
  { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
  { name: 'auth', test: /node_modules[\\/]@azure[\\/]msal-/ },
  { name: 'data', test: /node_modules[\\/](@tanstack|openapi-fetch)[\\/]/ },
];

export default defineConfig({
  base: '/console/',
  plugins: [react(), compress()],
  build: {
    outDir: resolve(import.meta.dirname, '../functions/console_files'),
    emptyOutDir: true,
    target: 'es2022',
    // a data: address would be refused by the page's Content Security Policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { output: { codeSplitting: { groups: SHARED_BY_ALL } } },
  },
});
