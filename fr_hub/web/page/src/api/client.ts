import createClient from "openapi-fetch";

import type { paths } from "./schema";

/** Calls of the API, typed by its OpenAPI document. */
export const api = createClient<paths>({ baseUrl: "/" });

let csrf = "";

/** Keep the token that changes must carry, as the session's answer has it. */
export function keepCsrf(token: string): void {
  csrf = token;
}

api.use({
  onRequest({ request }) {
    if (!["GET", "HEAD"].includes(request.method) && csrf) {
      request.headers.set("X-CSRF-Token", csrf);
    }
    return request;
  },
});
