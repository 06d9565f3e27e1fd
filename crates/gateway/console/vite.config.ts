import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where "npm run dev" finds the API.
const gateway = "http://127.0.0.1:7700";

export default defineConfig({
  plugins: [react()],
  build: {
    // Beside the notice, in the folder that the gateway embeds.
    outDir: "../page/built",
    emptyOutDir: true,
    // The content security policy knows files only: nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": gateway } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
