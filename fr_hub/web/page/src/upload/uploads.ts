/** The uploads of this page: they go on while people look at other parts of it. */
import { onUserLeft } from "../api/client";
import { ApiProblem } from "../api/problem";
import type { Group } from "./grouping";
import { IN_PIECES } from "./in-pieces";
import { type FileOutcome, passes } from "./requests";
import type { Transfer, Work } from "./transfer";

export type Phase =
  "waiting" | "sending" | "paused" | "retrying" | "storing" | "finished" | "failed";

export interface Upload {
  id: number;
  title: string;
  size: number;
  files: number;
  phase: Phase;
  sent: number;
  /** Bytes a second lately; null: not known yet. */
  speed: number | null;
  /** Bytes that the API had when the upload went on after an interruption. */
  resumedAt: number;
  problem: string | null;
  /** Seconds until the next try. */
  retryIn: number | null;
  outcomes: FileOutcome[];
}

const AT_ONCE = 2;
const RETRY_S = [1, 2, 4, 8, 15, 30];

/** Sends groups of files, two at a time, and goes on after lost connections. */
export class Uploads {
  private all: readonly Upload[] = [];
  private readonly work = new Map<number, Work>();
  private readonly listeners = new Set<() => void>();
  private next = 1;
  private running = 0;

  constructor(private readonly transfer: Transfer) {
    onUserLeft(() => this.drop());
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly list = (): readonly Upload[] => this.all;

  /** Whether leaving the page would interrupt an upload. */
  get busy(): boolean {
    return this.all.some((one) => !["finished", "failed", "paused"].includes(one.phase));
  }

  add(groups: Group[], volumes: "default" | "all"): void {
    for (const group of groups) {
      const id = this.next++;
      const size = group.files.reduce((sum, one) => sum + one.file.size, 0);
      this.work.set(id, { group, volumes, controller: new AbortController(), url: null, chunk: 0 });
      const files = group.files.length;
      this.all = [...this.all, { ...EMPTY, id, title: group.title, size, files }];
    }
    this.tell();
    this.startNext();
  }

  pause(id: number): void {
    const work = this.work.get(id);
    if (!work) return;
    this.set(id, { phase: "paused", speed: null, retryIn: null });
    work.controller.abort();
  }

  resume(id: number): void {
    const work = this.work.get(id);
    if (!work) return;
    work.controller = new AbortController();
    this.set(id, { phase: "waiting", problem: null });
    this.startNext();
  }

  /** Stop an upload, and delete what the API has of it. */
  async cancel(id: number): Promise<void> {
    const work = this.work.get(id);
    if (!work) return;
    work.controller.abort();
    this.work.delete(id);
    this.all = this.all.filter((one) => one.id !== id);
    this.tell();
    await this.transfer.cancel(work);
  }

  clear(): void {
    const ended = this.all.filter((one) => ["finished", "failed"].includes(one.phase));
    for (const one of ended) this.work.delete(one.id);
    this.all = this.all.filter((one) => !ended.includes(one));
    this.tell();
  }

  /** Stop all, and show none of them any more. */
  private drop(): void {
    for (const one of this.work.values()) one.controller.abort();
    this.work.clear();
    this.all = [];
    this.tell();
  }

  private startNext(): void {
    for (const one of this.all) {
      if (this.running >= AT_ONCE) return;
      if (one.phase === "waiting") {
        this.running += 1;
        this.set(one.id, { phase: "sending" });
        void this.run(one.id).finally(() => {
          this.running -= 1;
          this.startNext();
        });
      }
    }
  }

  private async run(id: number): Promise<void> {
    const work = this.work.get(id);
    if (!work) return;
    const { signal } = work.controller;
    for (let tries = 0; ;) {
      const before = this.get(id)?.sent ?? 0;
      try {
        const outcomes = await this.transfer.send(work, signal, (change) => this.set(id, change));
        this.set(id, { phase: "finished", speed: null, outcomes });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiProblem)) {
          this.set(id, { phase: "failed", problem: readable(error), speed: null });
          return;
        }
        if (await this.transfer.repeats(work, error)) continue;
        if (error.status === 401) {
          const problem = "Your session has ended. Sign in again, then resume.";
          this.set(id, { phase: "paused", problem, speed: null });
          return;
        }
        if (!passes(error)) {
          this.set(id, { phase: "failed", problem: error.detail, speed: null });
          return;
        }
        tries = (this.get(id)?.sent ?? 0) > before ? 0 : tries;
        const wait = error.retryAfterS ?? RETRY_S[Math.min(tries, RETRY_S.length - 1)] ?? 30;
        tries += 1;
        if (!(await this.wait(id, error.detail, wait, signal))) return;
      }
    }
  }

  /** Wait before the next try; false: it was paused or cancelled. */
  private async wait(
    id: number,
    problem: string,
    seconds: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (let left = Math.ceil(seconds); left > 0; left -= 1) {
      if (signal.aborted) return false;
      this.set(id, { phase: "retrying", problem, speed: null, retryIn: left });
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    return !signal.aborted;
  }

  private get(id: number): Upload | undefined {
    return this.all.find((one) => one.id === id);
  }

  private set(id: number, change: Partial<Upload>): void {
    this.all = this.all.map((one) => (one.id === id ? { ...one, ...change } : one));
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const EMPTY = {
  phase: "waiting" as Phase,
  sent: 0,
  speed: null,
  resumedAt: 0,
  problem: null,
  retryIn: null,
  outcomes: [],
};

function readable(error: unknown): string {
  if (error instanceof DOMException && error.name === "NotReadableError") {
    return "A file was changed or moved since it was chosen. Choose it again.";
  }
  return "This browser could not read the files. Choose them again.";
}

/** Scans that go to the tenant. */
export const uploads = new Uploads(IN_PIECES);
