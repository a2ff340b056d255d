import type { ReactNode } from "react";

import type { State, Verdict } from "../api/types";

export type Tone = "good" | "warn" | "bad" | "info" | "muted" | "plain";

/** A word in colour. The word alone says it all. */
export function Tag({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className="tag" data-tone={tone}>
      {children}
    </span>
  );
}

const STATES: Record<State, [Tone, string]> = {
  waiting: ["warn", "Waiting"],
  analysing: ["info", "Analysing"],
  done: ["good", "Done"],
  failed: ["bad", "Failed"],
  erased: ["muted", "Erased"],
  purged: ["muted", "Purged"],
  unknown: ["muted", "Unknown"],
};

/** The state of a scan. */
export function StateTag({ state }: { state: State }) {
  const [tone, word] = STATES[state];
  return <Tag tone={tone}>{word}</Tag>;
}

const VERDICTS: Record<Verdict, [Tone, string]> = {
  pass: ["good", "Usable"],
  warn: ["warn", "Limited quality"],
  fail: ["bad", "Not usable"],
};

/** Whether an image is good enough for the analysis; null: nobody has looked yet. */
export function VerdictTag({ verdict }: { verdict: string | null }) {
  if (verdict === null || !(verdict in VERDICTS)) return null;
  const [tone, word] = VERDICTS[verdict as Verdict];
  return <Tag tone={tone}>{word}</Tag>;
}
