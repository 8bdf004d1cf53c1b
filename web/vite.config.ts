import { defineConfig } from "vitest/config";

// The pages are served by the Python package, so that is where they are built to.
export default defineConfig({
  server: { proxy: { "/v1": "http://127.0.0.1:7860" } },
  build: {
    outDir: "../src/visavis/web",
    emptyOutDir: true,
    target: "es2022",
    // Scripts come from files only: the Content-Security-Policy allows nothing inline.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      // The renderer is loaded when a call draws its face here; other pages may import it too.
      input: { meet: "meet.html", renderer: "src/renderer/index.ts" },
      preserveEntrySignatures: "exports-only",
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
