import type { LoadAnswer, LoadRequest } from "./load.worker";
import type { Volume } from "./volume";

/** Why a volume could not be loaded, with what to do. */
export class LoadError extends Error {
  /** Status of the answer; 0: there was none, or the file could not be read. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Load a NIfTI file in a worker.
 *
 * @param told called with the loaded part, 0 to 1.
 * @param signal ends the worker and frees what it holds.
 */
export function loadVolume(
  request: LoadRequest,
  signal: AbortSignal,
  told: (part: number) => void = () => {},
): Promise<Volume> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./load.worker.ts", import.meta.url), { type: "module" });
    const end = () => {
      worker.terminate();
      signal.removeEventListener("abort", aborted);
    };
    const aborted = () => {
      end();
      reject(new DOMException("ended", "AbortError"));
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    worker.onerror = () => {
      end();
      reject(new LoadError(0, "The browser could not start loading; reload the page."));
    };
    worker.onmessage = ({ data }: MessageEvent<LoadAnswer>) => {
      if (data.kind === "progress") return told(data.part);
      end();
      if (data.kind === "done") resolve(data.volume);
      else reject(new LoadError(data.status, remedyOf(data.status, data.detail)));
    };
    worker.postMessage({ ...request, url: new URL(request.url, location.href).href });
  });
}

function remedyOf(status: number, detail: string): string {
  if (status === 401) return "Your session has ended. Sign in again, then reload the page.";
  if (detail && status) return detail;
  if (status)
    return `The server answered with status ${status}. Try again; if it keeps failing, tell an administrator.`;
  if (/memory|allocat|array length/i.test(detail)) {
    return "The image is too large for this browser's memory. Close other tabs, or download the image and open it in another program.";
  }
  if (/fetch|network/i.test(detail)) {
    return "The connection to the server was lost. Check the network, and try again.";
  }
  return `The image could not be read (${detail || "no reason given"}). Download it and open it in another program.`;
}
