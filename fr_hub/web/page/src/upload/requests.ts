/** The requests of an upload. */
import { changeHeaders, sessionEnded } from "../api/client";
import { type ApiProblem, problemOf, unreachable } from "../api/problem";
import type { components } from "../api/schema";

export type UploadState = components["schemas"]["UploadState"];
export type FileOutcome = components["schemas"]["FileOutcome"];

const API = "/api/v1/uploads";

/** Whether a further try of the same request may succeed. */
export function passes(problem: ApiProblem): boolean {
  return problem.status === 0 || [408, 425, 429, 502, 503, 504].includes(problem.status);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // of a proxy
  }
}

function failed(response: Response, text: string): ApiProblem {
  if (response.status === 401) sessionEnded();
  return problemOf(response, parsed(text));
}

async function call(url: string, options: RequestInit): Promise<Response> {
  const headers = { ...options.headers, ...changeHeaders() };
  let response: Response;
  try {
    response = await fetch(url, { ...options, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) throw failed(response, await response.text());
  return response;
}

export async function begin(
  files: { name: string; size: number }[],
  volumes: "default" | "all",
  signal: AbortSignal,
): Promise<UploadState> {
  const response = await call(API, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ files, volumes }),
    signal,
  });
  return (await response.json()) as UploadState;
}

/** How much of an upload the API has. */
export async function state(url: string, signal: AbortSignal): Promise<UploadState> {
  return (await (await call(url, { signal })).json()) as UploadState;
}

export async function finish(url: string, signal: AbortSignal): Promise<FileOutcome[]> {
  const response = await call(`${url}/finish`, { method: "POST", signal });
  return ((await response.json()) as { files: FileOutcome[] }).files;
}

export async function cancel(url: string): Promise<void> {
  await call(url, { method: "DELETE" });
}

/** Send a piece; `onProgress` gets the bytes of it that left. */
export async function send(
  url: string,
  offset: number,
  piece: Blob,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<void> {
  const headers = {
    "Content-Type": "application/offset+octet-stream",
    "Upload-Offset": String(offset),
  };
  await sendBody("PATCH", url, piece, headers, signal, onProgress);
}

/** Send a body; `onProgress` gets the bytes of it that left, which fetch does not tell. Returns the
 * text of the answer. */
export function sendBody(
  method: "PATCH" | "POST",
  url: string,
  body: Blob | FormData,
  headers: Record<string, string>,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const lost = () => reject(unreachable());
    request.open(method, url);
    for (const [name, value] of Object.entries({ ...headers, ...changeHeaders() })) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onerror = lost;
    request.ontimeout = lost;
    request.onabort = () => reject(new DOMException("paused", "AbortError"));
    request.onload = () => {
      if (request.status === 201 || request.status === 204) {
        resolve(request.responseText);
        return;
      }
      const known = new Headers();
      for (const name of ["Retry-After", "X-Request-Id"]) {
        const value = request.getResponseHeader(name);
        if (value) known.set(name, value);
      }
      const status = request.status >= 200 ? request.status : 502;
      const response = new Response(null, { status, headers: known });
      reject(failed(response, request.responseText));
    };
    signal.addEventListener("abort", abort, { once: true });
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.send(body);
  });
}
