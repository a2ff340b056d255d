import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, call } from "../api/client";
import type { Outcomes, Priority } from "../api/types";
import { Allowed } from "../app/session";
import { Button } from "../parts/button";
import { ConfirmRemoval } from "../parts/confirm-removal";
import { Note } from "../parts/note";
import { Problem } from "../parts/problem";
import { BulkDialog } from "../work-list/bulk-dialog";
import type { Scan } from "./scan-api";

type Action = "requeue" | "erase" | Priority;

const DONE: Record<Action, string> = {
  requeue: "The scan is back in the queue.",
  erase: "The scan was erased.",
  stat: "The scan will be analysed next.",
  urgent: "The scan is now urgent.",
  routine: "The scan now has routine priority.",
  background: "The scan now has the lowest priority.",
};

const PRIORITIES: [Priority, string][] = [
  ["stat", "Priority: stat (next)"],
  ["urgent", "Priority: urgent"],
  ["routine", "Priority: routine"],
  ["background", "Priority: background"],
];

async function act(key: string, action: Action): Promise<Outcomes> {
  const body = { ids: [key], dry_run: false };
  if (action === "requeue") return call(api.POST("/api/v1/scans/requeue", { body }));
  if (action === "erase") return call(api.POST("/api/v1/scans/erase", { body }));
  return call(api.POST("/api/v1/scans/priority", { body: { ...body, priority: action } }));
}

/** What operators may do with a scan. */
export function Actions({ scan }: { scan: Scan }) {
  return (
    <Allowed right="operate">
      <OperatorActions scan={scan} />
    </Allowed>
  );
}

function OperatorActions({ scan }: { scan: Scan }) {
  const queries = useQueryClient();
  const [isErasing, setErasing] = useState(false);
  const [isReanalysing, setReanalysing] = useState(false);
  const refresh = () => {
    const names = [["scan", scan.key], ["scans"], ["counts"], ["failures"]];
    return Promise.all(names.map((queryKey) => queries.invalidateQueries({ queryKey })));
  };
  const change = useMutation({
    mutationFn: (action: Action) => act(scan.key, action),
    onSettled: () => {
      setErasing(false);
      return refresh();
    },
  });
  const button = (action: Action, title: string, isShown: boolean) =>
    isShown && (
      <Button
        busy={change.isPending && change.variables === action}
        onClick={() => change.mutate(action)}
      >
        {title}
      </Button>
    );
  const { state, priority } = scan;
  return (
    <>
      {button("requeue", "Requeue", state === "failed" && scan.has_voxels)}
      {state === "done" && scan.has_voxels && (
        <Button onClick={() => setReanalysing(true)}>Analyse again</Button>
      )}
      {state === "waiting" && (
        <select
          className="input priority"
          aria-label="Priority"
          value={priority ?? "routine"}
          disabled={change.isPending}
          onChange={(event) => change.mutate(event.target.value as Priority)}
        >
          {PRIORITIES.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      )}
      {state !== "erased" && (
        <Button kind="danger" onClick={() => setErasing(true)}>
          Erase
        </Button>
      )}
      {isReanalysing && (
        <BulkDialog
          kind="reanalyze"
          ids={[scan.key]}
          onClose={() => setReanalysing(false)}
          onChanged={() => void refresh()}
        />
      )}
      {isErasing && (
        <ConfirmRemoval
          title="Erase this scan?"
          keep="Keep the scan"
          remove="Erase for good"
          busy={change.isPending}
          onClose={() => setErasing(false)}
          onRemove={() => change.mutate("erase")}
        >
          This erases the image, all revisions of the report and the pictures of scan{" "}
          <code className="wrap-anywhere">{scan.key}</code>, for good. Reports that were delivered
          or downloaded are not erased. The same image is refused if it comes from the same source
          again; another Fr-PACS can still send it.
        </ConfirmRemoval>
      )}
      {change.error && <Problem problem={change.error} />}
      {change.data && change.variables && (
        <OutcomeNote outcomes={change.data} action={change.variables} />
      )}
    </>
  );
}

function OutcomeNote({ outcomes, action }: { outcomes: Outcomes; action: Action }) {
  const [outcome] = outcomes.outcomes;
  if (!outcome) return null;
  if (outcome.outcome === "done") return <Note tone="good">{DONE[action]}</Note>;
  return <Note tone="warn">Nothing was changed: {outcome.reason ?? outcome.outcome}.</Note>;
}
