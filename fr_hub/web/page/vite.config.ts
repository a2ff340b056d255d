import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

import { compressed, licences } from "./build/plugins.js";

// `npm run dev` serves the page with hot reloading and passes calls on to a running `fr web`.
export default defineConfig(({ mode }) => {
  const api = loadEnv(mode, ".", "FR_").FR_API ?? "http://127.0.0.1:7300";
  return {
    plugins: [react(), licences(), compressed()],
    build: {
      outDir: "dist",
      assetsDir: "assets",
      // The policy of the page allows no inline data.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 2500,
    },
    server: {
      proxy: {
        "/api": { target: api, changeOrigin: false, ws: true },
        "/health": { target: api },
        "/docs": { target: api },
      },
    },
  };
});
