/** Scans of the tenant: sent in pieces, so that an upload goes on where it was interrupted, also after
 * the page was closed. */
import { ApiProblem } from "../api/problem";
import { forget, remember, remembered, signatureOf } from "./remembered";
import * as requests from "./requests";
import { Speed } from "./speed";
import type { Transfer, Work } from "./transfer";

const signature = (work: Work) => signatureOf(work.group.files, work.volumes);

export const IN_PIECES: Transfer = {
  async send(work, signal, tell) {
    const begun = await opened(work, signal);
    if (begun.isResumed) tell({ resumedAt: begun.offset });
    let { offset } = begun;
    const url = work.url ?? "";
    const bytes = new Blob(work.group.files.map((one) => one.file));
    const speed = new Speed();
    tell({ phase: "sending", problem: null, retryIn: null, sent: offset });
    while (offset < bytes.size) {
      const piece = bytes.slice(offset, offset + work.chunk);
      const start = offset;
      await requests.send(url, start, piece, signal, (sent) => {
        tell({ sent: start + sent, speed: speed.at(start + sent) });
      });
      offset += piece.size;
      tell({ sent: offset, speed: speed.at(offset) });
    }
    tell({ phase: "storing", speed: null });
    const outcomes = await requests.finish(url, signal);
    forget(await signature(work));
    return outcomes;
  },

  async repeats(work, problem) {
    if (problem.code === "upload_unknown" && work.url) {
      // Its server was restarted: begin again.
      work.url = null;
      forget(await signature(work));
      return true;
    }
    return problem.code === "upload_incomplete" || problem.code === "wrong_offset";
  },

  async cancel(work) {
    forget(await signature(work));
    // If it fails, the API deletes the files when the upload expires.
    if (work.url) await requests.cancel(work.url).catch(() => undefined);
  },
};

/** Begin the upload, or find where it goes on: the bytes that the API has. */
async function opened(
  work: Work,
  signal: AbortSignal,
): Promise<{ offset: number; isResumed: boolean }> {
  const known = await signature(work);
  const url = work.url ?? remembered()[known]?.url ?? null;
  if (url) {
    try {
      const state = await requests.state(url, signal);
      work.url = url;
      work.chunk = state.chunk_bytes;
      return { offset: state.offset, isResumed: true };
    } catch (error) {
      if (!(error instanceof ApiProblem && error.status === 404)) throw error;
      forget(known);
      work.url = null;
    }
  }
  const files = work.group.files.map((one) => ({ name: one.path, size: one.file.size }));
  const begun = await requests.begin(files, work.volumes, signal);
  work.url = begun.url;
  work.chunk = begun.chunk_bytes;
  const expires = Date.parse(begun.expires_at);
  remember(known, { url: begun.url, size: begun.size, files: files.length, expires });
  return { offset: begun.offset, isResumed: false };
}
