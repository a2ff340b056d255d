import type { ComponentType } from "react";

import { Button } from "../parts/button";
import { bytesText, countText, durationText } from "../parts/formats";
import { Icon } from "../parts/icon";
import { Progress } from "../parts/progress";
import { Tag, type Tone } from "../parts/tag";
import type { FileOutcome } from "./requests";
import type { Phase, Upload, Uploads } from "./uploads";

const PHASES: Record<Phase, [Tone, string]> = {
  waiting: ["muted", "Waiting"],
  sending: ["info", "Sending"],
  paused: ["muted", "Paused"],
  retrying: ["warn", "Interrupted"],
  storing: ["info", "Reading and storing"],
  finished: ["good", "Stored"],
  failed: ["bad", "Failed"],
};

/** Shows what was made of the files of an upload, by its keys. */
export type Made = ComponentType<{ keys: string[] }>;

interface Props {
  upload: Upload;
  /** Those that it belongs to. */
  uploads: Uploads;
  Made: Made;
}

/** An upload: how far it is, and what became of its files. */
export function UploadCard({ upload, uploads, Made }: Props) {
  const [tone, word] = shownPhase(upload);
  const open = !["finished", "failed"].includes(upload.phase);
  return (
    <section className="card stack" aria-label={upload.title}>
      <div className="row spread">
        <h2 className="wrap-anywhere">{upload.title}</h2>
        <div className="row">
          <Tag tone={tone}>{word}</Tag>
          <Controls upload={upload} uploads={uploads} />
        </div>
      </div>
      {open && (
        <Progress label={label(upload)} value={upload.size ? upload.sent / upload.size : 0}>
          {`${bytesText(upload.sent)} of ${bytesText(upload.size)}${pace(upload)}`}
        </Progress>
      )}
      {upload.problem && (
        <p role="status" className={upload.phase === "failed" ? "bad-text" : "muted"}>
          {upload.problem}
          {upload.retryIn !== null && upload.phase === "retrying"
            ? ` It resumes in ${upload.retryIn} s.`
            : ""}
        </p>
      )}
      {upload.outcomes.length > 0 && <Outcomes outcomes={upload.outcomes} Made={Made} />}
    </section>
  );
}

function shownPhase(upload: Upload): [Tone, string] {
  if (upload.phase !== "finished") return PHASES[upload.phase];
  const outcomes = new Set(upload.outcomes.map((one) => one.outcome));
  if (outcomes.has("refused")) {
    return outcomes.size === 1 ? ["bad", "Refused"] : ["warn", "Partly refused"];
  }
  if (outcomes.has("stored")) return PHASES.finished;
  return outcomes.has("known") ? ["good", "Stored before"] : ["muted", "Nothing to store"];
}

function label(upload: Upload): string {
  if (upload.phase === "storing") return "All bytes have arrived; Fr is reading the files";
  if (upload.resumedAt > 0) return `Resumed at ${bytesText(upload.resumedAt)}`;
  return countText(upload.files, "file");
}

function pace(upload: Upload): string {
  if (!upload.speed) return "";
  const left = (upload.size - upload.sent) / upload.speed;
  return `, ${bytesText(upload.speed)}/s, ${durationText(left)} left`;
}

function Controls({ upload, uploads }: { upload: Upload; uploads: Uploads }) {
  const { id, phase, title } = upload;
  if (phase === "finished" || phase === "storing") return null;
  const again = phase === "paused" || phase === "failed";
  return (
    <>
      {again ? (
        <Button onClick={() => uploads.resume(id)} aria-label={`Resume ${title}`}>
          {phase === "failed" ? "Try again" : "Resume"}
        </Button>
      ) : (
        <Button onClick={() => uploads.pause(id)} aria-label={`Pause ${title}`}>
          Pause
        </Button>
      )}
      <Button
        kind="plain"
        icon={<Icon name="close" />}
        aria-label={`Cancel ${title}`}
        onClick={() => void uploads.cancel(id)}
      />
    </>
  );
}

const SHOWN = 100;
const WORDS: Record<FileOutcome["outcome"], [Tone, string]> = {
  stored: ["good", "Stored"],
  known: ["good", "Stored before"],
  skipped: ["muted", "Skipped"],
  refused: ["bad", "Refused"],
};

/** What became of the files: those with something to say come first. */
function Outcomes({ outcomes, Made }: { outcomes: FileOutcome[]; Made: Made }) {
  const scans = [...new Set(outcomes.flatMap((one) => one.scans))];
  // An archive is told by its members.
  const told = outcomes.filter((one) => one.kind !== "archive" || one.outcome !== "skipped");
  const remarkable = told.filter((one) => one.outcome !== "stored" || one.reason);
  const files = remarkable.length > 0 ? remarkable : told.length === 1 ? told : [];
  return (
    <>
      {scans.length > 0 && <Made keys={scans} />}
      {files.length > 0 && (
        <ul className="outcomes">
          {files.slice(0, SHOWN).map((one) => (
            <li key={one.name} className="row">
              <Tag tone={WORDS[one.outcome][0]}>{WORDS[one.outcome][1]}</Tag>
              <span className="wrap-anywhere">{one.name}</span>
              {one.reason && <span className="muted">{one.reason}</span>}
            </li>
          ))}
          {files.length > SHOWN && (
            <li className="muted">and {countText(files.length - SHOWN, "file")} more</li>
          )}
        </ul>
      )}
    </>
  );
}
