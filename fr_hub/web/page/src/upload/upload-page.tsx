import { useState, useSyncExternalStore } from "react";

import { Button } from "../parts/button";
import { countText } from "../parts/formats";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { DropZone } from "./drop-zone";
import { type ChosenFile, grouped } from "./grouping";
import { remembered } from "./remembered";
import { ScansOfUpload } from "./scans-of-upload";
import { UploadCard } from "./upload-card";
import { uploads } from "./uploads";
import { useWarnBeforeLeaving } from "./use-warn-before-leaving";

/** Files and folders are dropped or chosen here, and followed until their scans have reports. */
export function Component() {
  const list = useSyncExternalStore(uploads.subscribe, uploads.list);
  const [all, setAll] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useWarnBeforeLeaving(uploads);

  const add = (files: ChosenFile[]) => {
    setProblem(
      files.length === 0 ? "Your selection contains no files. Choose another folder." : null,
    );
    uploads.add(grouped(files), all ? "all" : "default");
  };
  const ended = list.some((one) => one.phase === "finished" || one.phase === "failed");

  return (
    <Page
      title="Upload"
      actions={ended && <Button onClick={() => uploads.clear()}>Clear finished</Button>}
    >
      <DropZone onFiles={add} onProblem={setProblem}>
        NIfTI, DICOM, MGH and Analyze images, also in zip and tar archives, and ECGs. Keep the
        slices of a series in one folder. Fr stores pseudonyms instead of the names and identifiers
        in the files.
      </DropZone>
      <label className="choice">
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
            <UploadCard upload={one} uploads={uploads} Made={ScansOfUpload} />
          </li>
        ))}
      </ul>
    </Page>
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
      the same files or folder again to continue where {number === 1 ? "it" : "they"} stopped.
    </Note>
  );
}
