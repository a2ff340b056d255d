import { api, call } from "../api/client";
import type { Outcome, Outcomes, Priority } from "../api/types";

/** What can be done to many scans at once. */
export type Change =
  | { kind: "requeue" }
  /** By the analyzer `using`, such as "volume 6"; null: by the installed one. */
  | { kind: "reanalyze"; using: string | null }
  | { kind: "erase" }
  | { kind: "priority"; priority: Priority };

export type ChangeKind = Change["kind"];

/** A change of a kind, with what was chosen for it. */
export function changeOf(
  kind: ChangeKind,
  { priority, using }: { priority: Priority; using: string | null },
): Change {
  switch (kind) {
    case "priority":
      return { kind, priority };
    case "reanalyze":
      return { kind, using };
    default:
      return { kind };
  }
}

/** The most scans of one request. */
const SCANS_MAX = 1000;

function send(change: Change, ids: string[], dryRun: boolean): Promise<Outcomes> {
  const body = { ids, dry_run: dryRun };
  switch (change.kind) {
    case "requeue":
      return call(api.POST("/api/v1/scans/requeue", { body }));
    case "reanalyze":
      return call(api.POST("/api/v1/scans/reanalyze", { body: { ...body, using: change.using } }));
    case "erase":
      return call(api.POST("/api/v1/scans/erase", { body }));
    case "priority":
      return call(
        api.POST("/api/v1/scans/priority", { body: { ...body, priority: change.priority } }),
      );
  }
}

/** Make a change to scans, or with `dryRun` ask what it would do: an outcome for each scan.
 *
 * @param told is called with the outcomes so far, after each request. */
export async function makeChange(
  change: Change,
  ids: string[],
  dryRun: boolean,
  told: (outcomes: Outcome[]) => void = () => undefined,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < ids.length; start += SCANS_MAX) {
    const answer = await send(change, ids.slice(start, start + SCANS_MAX), dryRun);
    outcomes.push(...answer.outcomes);
    told(outcomes);
  }
  return outcomes;
}

/** How a change is named: on its button, as a title, and when it is done. */
export const WORDS: Record<ChangeKind, { verb: string; title: string; done: string }> = {
  requeue: { verb: "Requeue", title: "Requeue failed scans", done: "requeued" },
  reanalyze: {
    verb: "Analyse again",
    title: "Analyse scans again",
    done: "scheduled for analysis",
  },
  priority: { verb: "Set priority", title: "Change the priority", done: "changed" },
  erase: { verb: "Erase", title: "Erase scans", done: "erased" },
};
