import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";

import { ApiProblem } from "./api/problem";
import { router } from "./app/routes";
import { SessionProvider } from "./app/session";

/** A refusal stays one; only what may pass is tried again. */
function retry(count: number, error: Error): boolean {
  const passes = !(error instanceof ApiProblem) || error.status === 0 || error.status >= 500;
  return passes && count < 2;
}

const queries = new QueryClient({
  defaultOptions: { queries: { retry, staleTime: 10_000, refetchOnWindowFocus: true } },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <SessionProvider>
          <RouterProvider router={router} />
        </SessionProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
