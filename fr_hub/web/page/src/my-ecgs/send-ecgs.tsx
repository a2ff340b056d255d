import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Link } from "react-router";

import { Button } from "../parts/button";
import { StateTag } from "../parts/tag";
import { Note } from "../parts/note";
import { DropZone } from "../upload/drop-zone";
import { type ChosenFile, grouped } from "../upload/grouping";
import { UploadCard } from "../upload/upload-card";
import { useWarnBeforeLeaving } from "../upload/use-warn-before-leaving";
import { ecgUploads, WHOLE_ECGS } from "./as-form";
import { useEcg } from "./queries";

/** Files are dropped or chosen here, and followed until their ECGs are stored. */
export function SendEcgs() {
  const list = useSyncExternalStore(ecgUploads.subscribe, ecgUploads.list);
  const [problem, setProblem] = useState<string | null>(null);
  useWarnBeforeLeaving(ecgUploads);

  // What was stored belongs into the list below.
  const queries = useQueryClient();
  const finished = list.filter((one) => one.phase === "finished").length;
  useEffect(() => {
    if (finished > 0) void queries.invalidateQueries({ queryKey: ["my-ecgs", "list"] });
  }, [queries, finished]);

  const add = (files: ChosenFile[]) => {
    setProblem(
      files.length === 0 ? "Your selection contains no files. Choose another folder." : null,
    );
    ecgUploads.add(grouped(files, WHOLE_ECGS), "default");
  };
  const ended = list.some((one) => one.phase === "finished" || one.phase === "failed");

  return (
    <>
      <DropZone onFiles={add} onProblem={setProblem}>
        ECGs in JSON, CSV, WFDB (choose the .hea and the .dat file together), EDF, BDF, SCP-ECG,
        DICOM or HL7 aECG, also in zip and tar archives. Only you see them. Fr does not store the
        names in the files.
      </DropZone>
      {problem && <Note tone="warn">{problem}</Note>}
      {list.length > 0 && (
        <ul className="uploads" aria-label="Uploads">
          {list.map((one) => (
            <li key={one.id}>
              <UploadCard upload={one} uploads={ecgUploads} Made={EcgsOfUpload} />
            </li>
          ))}
        </ul>
      )}
      {ended && (
        <div className="row">
          <Button onClick={() => ecgUploads.clear()}>Clear finished</Button>
        </div>
      )}
    </>
  );
}

/** The ECGs that were made of the files, each with its state as it changes. */
function EcgsOfUpload({ keys }: { keys: string[] }) {
  return (
    <ul className="upload-scans" aria-label="ECGs of this upload">
      {keys.map((id) => (
        <li key={id} className="row">
          <EcgState id={id} />
        </li>
      ))}
    </ul>
  );
}

function EcgState({ id }: { id: string }) {
  const { data } = useEcg(id);
  return (
    <>
      {data && <StateTag state={data.state} />}
      <Link to={`/my-ecgs/${id}`} className="mono wrap-anywhere">
        {id}
      </Link>
      {data?.cause && <span className="muted">{data.cause}</span>}
    </>
  );
}
