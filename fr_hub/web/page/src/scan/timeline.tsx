import { Time } from "../parts/time";
import type { ScanEvent } from "./scan-api";

type Tone = "good" | "bad" | "info" | "plain";

const attempt = (event: ScanEvent) => (event.attempt ? `, attempt ${event.attempt}` : "");
const by = (event: ScanEvent) => (event.by ? ` by ${event.by}` : "");
const because = (event: ScanEvent) => (event.cause ? `: ${event.cause}` : "");

/** What happened, in words, and how it looks. */
const WORDS: Record<string, (event: ScanEvent) => [string, Tone]> = {
  receive: (event) => [
    event.outcome === "known"
      ? `Received again from ${event.peer ?? "its source"}: the same image`
      : `Received from ${event.peer ?? "its source"} and stored`,
    "info",
  ],
  unanswered: () => ["MongoDB failed while the scan was being stored", "bad"],
  conflict: () => ["Refused: another image arrived under the same id", "bad"],
  refuse: (event) => [`Refused${because(event)}`, "bad"],
  claim: (event) => [`Analysis started${by(event)}${attempt(event)}`, "info"],
  release: (event) => [`Returned to the queue${by(event)}${because(event)}`, "plain"],
  report: (event) => [`Report written${by(event)}`, "good"],
  send: (event) => [
    event.outcome === "readable in the API"
      ? "Report delivered: it can be read here"
      : `Report delivered to ${event.peer ?? "its Fr-PACS"}`,
    "good",
  ],
  undeliverable: (event) => [`The report could not be delivered${because(event)}`, "bad"],
  redeliver: (event) => [`Delivery restarted${by(event)}`, "plain"],
  notify: (event) => [`${event.peer ?? "Its Fr-PACS"} was notified that the scan failed`, "plain"],
  error: (event) => [`Failed${attempt(event)}${because(event)}`, "bad"],
  requeue: (event) => [`Requeued${by(event)}`, "plain"],
  schedule_reanalysis: (event) => [`Reanalysis requested${by(event)}${because(event)}`, "plain"],
  priority: (event) => [
    `Priority changed to ${event.outcome ?? "another one"}${by(event)}`,
    "plain",
  ],
  retention: (event) => [`Retention removed ${event.outcome ?? "data"}`, "plain"],
  erase: (event) => [`Erased${by(event)}`, "bad"],
};

/** What happened to a scan, the latest first. */
export function Timeline({ events }: { events: ScanEvent[] }) {
  const latest = [...events].reverse();
  return (
    <section className="card stack" aria-labelledby="history">
      <h2 id="history">History</h2>
      {!events.length && <p>The audit trail has no event of this scan.</p>}
      <ol className="timeline">
        {latest.map((event, n) => {
          const [text, tone] = WORDS[event.kind]?.(event) ?? [
            event.kind.replaceAll("_", " "),
            "plain",
          ];
          return (
            <li key={`${event.at} ${n}`} data-tone={tone}>
              <span className="wrap-anywhere">{text}</span>
              <span className="muted">
                <Time at={event.at} />
              </span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
