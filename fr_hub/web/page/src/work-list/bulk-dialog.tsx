import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Outcome, Priority } from "../api/types";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { countText } from "../parts/formats";
import { Problem } from "../parts/problem";
import { Progress } from "../parts/progress";
import { AnalyzerField } from "./analyzer-field";
import { type ChangeKind, changeOf, makeChange, WORDS } from "./changes";
import { Outcomes } from "./outcomes";
import { PRIORITIES, PRIORITY_WORDS } from "./words";

interface Props {
  kind: ChangeKind;
  /** Keys of scans. */
  ids: string[];
  onClose: () => void;
  /** The change was made; also if only in part. */
  onChanged: (ids: string[]) => void;
}

const ABOUT: Record<ChangeKind, string> = {
  requeue: "They return to the queue, and their attempts are counted from zero.",
  reanalyze:
    "Fr-BRAIN analyses them again. Each report gets a new revision; earlier ones are kept.",
  priority: "This changes the place of waiting scans in the queue.",
  erase:
    "Voxels, reports, history and pictures are deleted. This cannot be undone, and the same source cannot send an erased scan again; another one can.",
};

/** Asks what a change would do, makes it after a confirmation, and shows an outcome for each scan. */
export function BulkDialog({ kind, ids, onClose, onChanged }: Props) {
  const [priority, setPriority] = useState<Priority>("urgent");
  const [using, setUsing] = useState<string | null>(null);
  const [isSure, setSure] = useState(false);
  const [soFar, setSoFar] = useState<Outcome[]>([]);
  const change = changeOf(kind, { priority, using });
  const words = WORDS[kind];

  const preview = useQuery({
    queryKey: ["preview", change, ids],
    queryFn: () => makeChange(change, ids, true),
    staleTime: 0,
    gcTime: 0,
  });
  const run = useMutation({
    mutationFn: () => makeChange(change, ids, false, (outcomes) => setSoFar([...outcomes])),
    onSettled: () => onChanged(ids),
  });

  const would = preview.data?.filter(({ outcome }) => outcome === "would").length ?? 0;
  const needsConsent = kind === "erase";
  const isOver = run.isSuccess || run.isError;

  return (
    <Dialog
      open
      title={`${words.title}: ${countText(ids.length, "scan")}`}
      onClose={run.isPending ? null : onClose}
      footer={
        isOver ? (
          <Button kind="primary" onClick={onClose}>
            Close
          </Button>
        ) : (
          <>
            <Button onClick={onClose} disabled={run.isPending}>
              Cancel
            </Button>
            <Button
              kind={kind === "erase" ? "danger" : "primary"}
              busy={run.isPending}
              disabled={would === 0 || (needsConsent && !isSure)}
              onClick={() => run.mutate()}
            >
              {`${words.verb}: ${countText(would, "scan")}`}
            </Button>
          </>
        )
      }
    >
      <p>{ABOUT[kind]}</p>
      {kind === "priority" && !isOver && (
        <Field label="Priority">
          {(props) => (
            <select
              {...props}
              value={priority}
              disabled={run.isPending}
              onChange={(event) => setPriority(event.target.value as Priority)}
            >
              {PRIORITIES.map((one) => (
                <option key={one} value={one}>
                  {PRIORITY_WORDS[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {kind === "reanalyze" && !isOver && (
        <AnalyzerField using={using} disabled={run.isPending} onChange={setUsing} />
      )}
      {preview.isPending && <Loading what="the preview" />}
      {preview.error && <Problem problem={preview.error} onRetry={() => void preview.refetch()} />}
      {run.isPending && (
        <Progress label="Changing" value={soFar.length / ids.length}>
          {`${soFar.length} of ${ids.length}`}
        </Progress>
      )}
      {run.error && (
        <>
          <Problem problem={run.error} />
          <p>
            {soFar.length > 0
              ? `The outcomes of ${countText(soFar.length, "scan")} are below. `
              : ""}
            To continue, close this dialog and make the same change again: what is done stays done.
          </p>
        </>
      )}
      {isOver ? (
        <Outcomes outcomes={run.data ?? soFar} done={words.done} />
      ) : (
        preview.data && <Outcomes outcomes={preview.data} done={words.done} />
      )}
      {needsConsent && !isOver && would > 0 && (
        <label className="row">
          <input
            type="checkbox"
            checked={isSure}
            onChange={(event) => setSure(event.target.checked)}
          />
          Erase {countText(would, "scan")} for good
        </label>
      )}
    </Dialog>
  );
}
