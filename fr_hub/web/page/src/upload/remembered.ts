/** Uploads that this browser has begun, so that they go on after the page was closed.
 *
 * Names of files can name patients, and other people may use this browser: only a hash of the names,
 * sizes and times is kept, and only until the upload ends.
 */
import type { ChosenFile } from "./grouping";

export interface Remembered {
  url: string;
  size: number;
  files: number;
  /** Milliseconds since 1970; after it, the API has deleted the upload. */
  expires: number;
}

const KEY = "fr-uploads";

/** What tells that these are the same files again. */
export async function signatureOf(files: ChosenFile[], volumes: string): Promise<string> {
  const lines = files.map((one) => `${one.path}\n${one.file.size}\n${one.file.lastModified}`);
  const text = new TextEncoder().encode([volumes, ...lines].join("\n"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** All that have not expired, by signature. */
export function remembered(): Record<string, Remembered> {
  let all: Record<string, Remembered> = {};
  try {
    all = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, Remembered>;
  } catch {
    // Not ours, or no storage: nothing goes on.
  }
  const now = Date.now();
  return Object.fromEntries(Object.entries(all).filter(([, one]) => one.expires > now));
}

export function remember(signature: string, one: Remembered): void {
  write({ ...remembered(), [signature]: one });
}

export function forget(signature: string): void {
  write(Object.fromEntries(Object.entries(remembered()).filter(([other]) => other !== signature)));
}

function write(all: Record<string, Remembered>): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // The storage is full or forbidden: uploads work, but do not go on after a reload.
  }
}
