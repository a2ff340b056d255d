import type { Priority, Verdict } from "../api/types";
import type { ShownState } from "./filters";

export const PRIORITIES: Priority[] = ["stat", "urgent", "routine", "background"];

export const PRIORITY_WORDS: Record<Priority, string> = {
  stat: "Stat (next)",
  urgent: "Urgent",
  routine: "Routine",
  background: "Background",
};

export const STATE_WORDS: Record<ShownState, string> = {
  waiting: "Waiting",
  analysing: "Analysing",
  done: "Done",
  failed: "Failed",
  erased: "Erased",
  purged: "Purged",
};

export const VERDICT_WORDS: Record<Verdict, string> = {
  pass: "Usable",
  warn: "Limited",
  fail: "Not usable",
};
