/** Fetches a NIfTI file, unpacks it and prepares its voxels, off the main thread. */
import { prepare, type Prepared, reduceLabels } from "./prepare";
import { HEADER_BYTES, type NiftiHeader, readHeader } from "./nifti";

export interface LoadRequest {
  url: string;
  /** Of label maps: keep one voxel for a block of this many along each axis. */
  block?: number;
}

export type LoadAnswer =
  | { kind: "progress"; part: number }
  | { kind: "done"; volume: Prepared }
  | { kind: "failed"; status: number; detail: string };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<LoadRequest>) => void) | null;
  postMessage(answer: LoadAnswer, transfer?: Transferable[]): void;
};

class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

scope.onmessage = ({ data }) => {
  load(data).catch((error: unknown) => {
    const status = error instanceof Refused ? error.status : 0;
    const detail = error instanceof Error ? error.message : "";
    scope.postMessage({ kind: "failed", status, detail });
  });
};

async function load({ url, block = 1 }: LoadRequest): Promise<void> {
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) throw new Refused(answer.status, await reasonOf(answer));
  const reader = answer.body.pipeThrough(new DecompressionStream("gzip")).getReader();
  const begin = new Uint8Array(HEADER_BYTES);
  let begun = 0;
  let header: NiftiHeader | null = null;
  let bytes: Uint8Array | null = null;
  let filled = 0;
  let skipped = 0;
  let told = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    let rest: Uint8Array = value;
    if (!header || !bytes) {
      // Files are longer than the longest header, but for those of a few voxels.
      const taken = rest.subarray(0, HEADER_BYTES - begun);
      begin.set(taken, begun);
      begun += taken.length;
      rest = rest.subarray(taken.length);
      if (begun < HEADER_BYTES) continue;
      [header, bytes, filled] = start(begin, begun);
    }
    // A label map has the names of its labels before the first voxel.
    const names = rest.subarray(0, Math.max(0, header.offset - HEADER_BYTES - skipped));
    skipped += names.length;
    rest = rest.subarray(names.length);
    const piece = rest.subarray(0, bytes.length - filled);
    bytes.set(piece, filled);
    filled += piece.length;
    if (filled - told > bytes.length / 50) {
      told = filled;
      scope.postMessage({ kind: "progress", part: filled / bytes.length });
    }
  }
  if (!header || !bytes) [header, bytes, filled] = start(begin, begun);
  if (filled < bytes.length) throw new Error("the file ends too early");
  const made = prepare(header, bytes);
  const volume = block > 1 ? reduceLabels(made, block) : made;
  scope.postMessage({ kind: "done", volume }, [volume.voxels.buffer]);
}

function start(begin: Uint8Array, length: number): [NiftiHeader, Uint8Array, number] {
  const header = readHeader(begin);
  const bytes = new Uint8Array(sizeOf(header));
  const body = begin.subarray(header.offset, length).subarray(0, bytes.length);
  bytes.set(body);
  return [header, bytes, body.length];
}

function sizeOf({ shape, datatype }: NiftiHeader): number {
  const bytes = { 2: 1, 256: 1, 4: 2, 512: 2, 8: 4, 768: 4, 16: 4, 64: 8 }[datatype];
  if (!bytes) throw new Error(`voxels of type ${datatype} cannot be shown`);
  return shape[0] * shape[1] * shape[2] * bytes;
}

async function reasonOf(answer: Response): Promise<string> {
  try {
    const problem = (await answer.json()) as { detail?: unknown };
    return typeof problem.detail === "string" ? problem.detail : "";
  } catch {
    return "";
  }
}
