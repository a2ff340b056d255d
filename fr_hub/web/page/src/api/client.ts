import createClient from "openapi-fetch";

import { problemOf, unreachable } from "./problem";
import type { paths } from "./schema";

/** Calls of the API, typed by its OpenAPI document. Use `call` around them. */
export const api = createClient<paths>({ baseUrl: "/" });

let csrf = "";
const endedListeners = new Set<() => void>();
const leftListeners = new Set<() => void>();

/** Keep the token that changes must carry, as the session's answer has it. */
export function keepCsrf(token: string): void {
  csrf = token;
}

/** The headers that a change outside of `api` must have, such as an upload's. */
export function changeHeaders(): Record<string, string> {
  return csrf ? { "X-CSRF-Token": csrf } : {};
}

/** Calls `listener` whenever an answer says that the session has ended. Returns how to stop. */
export function onSessionEnded(listener: () => void): () => void {
  endedListeners.add(listener);
  return () => endedListeners.delete(listener);
}

/** Say that an answer outside of `api` had status 401. */
export function sessionEnded(): void {
  endedListeners.forEach((listener) => listener());
}

/** Calls `listener` whenever a user signs out, or another one signs in, for what must not go on in
 * the name of the next one. */
export function onUserLeft(listener: () => void): void {
  leftListeners.add(listener);
}

/** Say that a user has left. */
export function userLeft(): void {
  leftListeners.forEach((listener) => listener());
}

const SIGN_IN = /\/api\/v1\/session(\/one-time)?$/;

api.use({
  onRequest({ request }) {
    if (!["GET", "HEAD"].includes(request.method) && csrf) {
      request.headers.set("X-CSRF-Token", csrf);
    }
    return request;
  },
  onResponse({ request, response }) {
    if (response.status === 401 && !SIGN_IN.test(new URL(request.url).pathname)) sessionEnded();
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of a call's answer.
 *
 * @throws {ApiProblem} if the answer is a problem, or if there is none. */
export async function call<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await callWithTag(answer)).data;
}

/** As `call`, with the ETag that a change of the same thing must name. */
export async function callWithTag<T>(
  answer: Promise<Answer<T>>,
): Promise<{ data: T; etag: string }> {
  let found;
  try {
    found = await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!found.response.ok) throw problemOf(found.response, found.error);
  return { data: found.data as T, etag: found.response.headers.get("ETag") ?? "" };
}
