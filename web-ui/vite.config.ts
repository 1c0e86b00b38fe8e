import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where the server under development listens; the built page is served by the server itself. */
const server = process.env.SIGHTGATE_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [react()],
  html: {
    // The server puts each response's own nonce in the place of this word.
    cspNonce: 'SIGHTGATE_NONCE',
  },
  build: {
    outDir: '../server/app/page',
    emptyOutDir: true,
    manifest: true,
    // The policy lets no `data:` scripts or fonts in, and a file of its own is kept by the browser.
    assetsInlineLimit: 0,
    // The polyfill would be an inline script; every browser that runs this build knows module preload.
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: {
    // The Host header is passed on as it is: without a key the server answers its own loopback name and origin alone.
    proxy: Object.fromEntries(
      ['/v1', '/health/', '/openapi.json', '/metrics'].map((path) => [path, { target: server, changeOrigin: false }]),
    ),
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
  },
});
