import { type DragEvent, useEffect, useRef, useState, useSyncExternalStore } from "react";

import "../styles/upload.css";
import { Button } from "../parts/button";
import { countText } from "../parts/formats";
import { Icon } from "../parts/icon";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { chosen, type ChosenFile, dropped, grouped } from "./grouping";
import { remembered } from "./remembered";
import { UploadCard } from "./upload-card";
import { uploads } from "./uploads";

/** Files and folders are dropped or chosen here, and followed until their scans have reports. */
export function Component() {
  const list = useSyncExternalStore(uploads.subscribe, uploads.list);
  const [all, setAll] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useWarnBeforeLeaving();

  const add = (files: ChosenFile[]) => {
    setProblem(
      files.length === 0 ? "What you chose contains no file. Choose another folder." : null,
    );
    uploads.add(grouped(files), all ? "all" : "default");
  };
  const ended = list.some((one) => one.phase === "finished" || one.phase === "failed");

  return (
    <Page
      title="Upload"
      actions={ended && <Button onClick={() => uploads.clear()}>Clear finished</Button>}
    >
      <DropZone onFiles={add} onProblem={setProblem} />
      <label className="row">
        <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} />
        <span>
          Also send localizers, diffusion and other volumes of DICOM series that are skipped by
          default
        </span>
      </label>
      {problem && <Note tone="warn">{problem}</Note>}
      <Interrupted />
      <ul className="uploads" aria-label="Uploads">
        {list.map((one) => (
          <li key={one.id}>
            <UploadCard upload={one} />
          </li>
        ))}
      </ul>
    </Page>
  );
}

interface DropZoneProps {
  onFiles: (files: ChosenFile[]) => void;
  onProblem: (problem: string) => void;
}

function DropZone({ onFiles, onProblem }: DropZoneProps) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    dropped(event.dataTransfer).then(onFiles, () => {
      onProblem("This browser could not read what you dropped. Choose the files instead.");
    });
  };
  const picked = (input: HTMLInputElement) => {
    onFiles(chosen(input.files ?? []));
    input.value = ""; // so that the same file can be chosen again
  };

  return (
    <div
      className="drop-zone"
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name="upload" size={32} />
      <p>
        <strong>Drop files or folders here</strong>
      </p>
      <p className="muted">
        NIfTI, DICOM, MGH and Analyze images, also in zip and tar archives, and ECGs. Keep the
        slices of a series in one folder. Fr stores pseudonyms instead of the names and identifiers
        in the files.
      </p>
      <div className="row">
        <Button kind="primary" onClick={() => files.current?.click()}>
          Choose files
        </Button>
        <Button onClick={() => folder.current?.click()}>Choose a folder</Button>
      </div>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => picked(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label="Folder to upload"
        {...{ webkitdirectory: "" }}
        onChange={(event) => picked(event.currentTarget)}
      />
    </div>
  );
}

/** Says that uploads of an earlier visit can go on. */
function Interrupted() {
  const list = useSyncExternalStore(uploads.subscribe, uploads.list);
  const [earlier] = useState(() => Object.values(remembered()));
  if (earlier.length === 0 || list.length > 0) return null;
  const number = earlier.length;
  return (
    <Note>
      {countText(number, "upload was", "uploads were")} interrupted when the page was closed. Choose
      the same files or folder again: {number === 1 ? "it goes" : "they go"} on where{" "}
      {number === 1 ? "it" : "they"} stopped.
    </Note>
  );
}

/** Uploads go on in other parts of the page, but not when it is closed. */
function useWarnBeforeLeaving() {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (uploads.busy) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, []);
}
