import { Link } from "react-router";

import { useRight } from "../app/session-context";
import { durationText } from "../parts/formats";
import { Note } from "../parts/note";
import { Time, useNow } from "../parts/time";
import type { Scan } from "./scan-api";

/** How far a scan is, and what to do if it is not done. */
export function ScanState({ scan }: { scan: Scan }) {
  const isGone = scan.state === "erased" || scan.state === "purged";
  return (
    <div className="stack" aria-live="polite">
      {!isGone && <Steps scan={scan} />}
      <Advice scan={scan} />
      {scan.problems.length > 0 && (
        <Note tone="warn">
          <strong>Problems with the input</strong>
          <ul>
            {scan.problems.map((problem) => (
              <li key={problem}>{problem.replaceAll("_", " ")}</li>
            ))}
          </ul>
        </Note>
      )}
    </div>
  );
}

type StepState = "done" | "now" | "open" | "failed";

const ANALYSIS: Partial<Record<Scan["state"], string>> = {
  analysing: "Analysing",
  done: "Analysed",
  failed: "Failed",
};

function stepsOf(scan: Scan): [string, StepState][] {
  const { state, delivered } = scan;
  const analysed: StepState =
    state === "done"
      ? "done"
      : state === "failed"
        ? "failed"
        : state === "analysing"
          ? "now"
          : "open";
  return [
    ["Received", "done"],
    state === "waiting" ? ["Waiting", "now"] : ["Queued", "done"],
    [ANALYSIS[state] ?? "Analysis", analysed],
    state === "done" && delivered
      ? ["Delivered", "done"]
      : ["Delivery", state === "done" ? "now" : "open"],
  ];
}

function Steps({ scan }: { scan: Scan }) {
  return (
    <ol className="scan-steps" aria-label="Progress">
      {stepsOf(scan).map(([title, state]) => (
        <li key={title} data-state={state} aria-current={state === "now" ? "step" : undefined}>
          {title}
        </li>
      ))}
    </ol>
  );
}

function Advice({ scan }: { scan: Scan }) {
  const mayOperate = useRight("operate");
  const then = (what: string) => (mayOperate ? what : `Ask an operator to ${lower(what)}`);
  switch (scan.state) {
    case "waiting":
      return (
        <Note>
          The scan has been waiting for Fr-BRAIN since <Since at={scan.received_at} />
          {scan.priority && `, with ${scan.priority} priority`}. Its analysis starts as soon as a
          processor is free. If nothing happens, check on the <Link to="/system">system page</Link>{" "}
          whether Fr-BRAIN is running.
          {scan.cause && <p>The last attempt ended with: {scan.cause}</p>}
        </Note>
      );
    case "analysing":
      return (
        <Note>
          {scan.owner ?? "Fr-BRAIN"} is analysing the scan
          {scan.attempts !== null && scan.attempts > 1 && `, attempt ${scan.attempts}`}. The report
          appears here as soon as it is written.
          {scan.lease_until && (
            <p className="muted">
              If this process stops, another one takes over after <Time at={scan.lease_until} />.
            </p>
          )}
        </Note>
      );
    case "failed":
      return (
        <Note tone="bad">
          <strong>
            The analysis failed{scan.attempts ? ` in ${attempts(scan.attempts)}` : ""}
          </strong>
          <p>{scan.cause ?? "The cause is not known; see the log of Fr-BRAIN."}</p>
          <p>
            {scan.has_voxels
              ? then("Fix the cause, then requeue the scan.")
              : "The image was removed, so it cannot be analysed again."}
          </p>
        </Note>
      );
    case "erased":
      return (
        <Note tone="warn">
          <strong>The scan was erased</strong>
          <p>
            Its image, report and pictures were deleted on <Time at={scan.ended_at} />, for good.
            The same image is refused if it comes from the same source again; another Fr-PACS can
            still send it.
          </p>
        </Note>
      );
    case "purged":
      return (
        <Note tone="warn">
          <strong>The scan was removed after its retention time</strong>
          <p>
            Its report had been delivered to {scan.pacs ?? "its Fr-PACS"}. The image and the report
            were deleted here on <Time at={scan.ended_at} />.
          </p>
        </Note>
      );
    case "done":
      return scan.has_voxels ? null : (
        <Note>
          The image was removed after its retention time, so it can be neither shown nor analysed
          again. The report stays.
        </Note>
      );
    default:
      return (
        <Note tone="warn">
          A newer release of Fr wrote the state of this scan. Update this installation to read it.
        </Note>
      );
  }
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

function attempts(count: number): string {
  return count === 1 ? "one attempt" : `${count} attempts`;
}

function Since({ at }: { at: string | null }) {
  const now = useNow();
  if (!at) return <>an unknown time</>;
  return (
    <>
      <Time at={at} form="short" /> ({durationText((now - Date.parse(at)) / 1000)})
    </>
  );
}
