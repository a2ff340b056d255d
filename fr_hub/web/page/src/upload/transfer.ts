/** How the files of an upload reach the API. */
import type { ApiProblem } from "../api/problem";
import type { Group } from "./grouping";
import type { FileOutcome } from "./requests";
import type { Upload } from "./uploads";

/** An upload's files, and what is known of it at the API. */
export interface Work {
  group: Group;
  volumes: "default" | "all";
  controller: AbortController;
  /** Of the upload; null: it has not begun. */
  url: string | null;
  /** Bytes of a piece. */
  chunk: number;
}

/** Tells how far an upload is. */
export type Tell = (
  change: Partial<Pick<Upload, "phase" | "sent" | "speed" | "resumedAt" | "problem" | "retryIn">>,
) => void;

export interface Transfer {
  /** Send the files and have them stored; called again after an interruption.
   *
   * @throws {ApiProblem} if it is interrupted or refused. */
  send(work: Work, signal: AbortSignal, tell: Tell): Promise<FileOutcome[]>;

  /** Whether to send again at once after this problem. */
  repeats(work: Work, problem: ApiProblem): Promise<boolean>;

  /** Delete what the API has of it. */
  cancel(work: Work): Promise<void>;
}
