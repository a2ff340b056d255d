import { useSyncExternalStore } from "react";

import { durationText } from "./formats";

const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

const listeners = new Set<() => void>();
let now = Date.now();
let timer: number | undefined;

function watchClock(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    now = Date.now();
    listeners.forEach((one) => one());
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time now, each second. */
export function useNow(): number {
  return useSyncExternalStore(watchClock, () => now);
}

function utcText(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

interface Props {
  /** RFC 3339 with its zone; null: there is no such time. */
  at: string | null | undefined;
  /** `short` leaves out the year and the seconds. */
  form?: "whole" | "short";
}

/** A time in the viewer's zone; UTC on hover. */
export function Time({ at, form = "whole" }: Props) {
  if (!at) return null;
  const date = new Date(at);
  const isThisYear = date.getFullYear() === new Date().getFullYear();
  const format = form === "short" && isThisYear ? SHORT : WHOLE;
  return (
    <time dateTime={at} title={utcText(date)}>
      {format.format(date)}
    </time>
  );
}

/** How long ago something was, counting on. */
export function Ago({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={utcText(date)} className="number">
      {durationText((useNow() - date.getTime()) / 1000)}
    </time>
  );
}
