import "../styles/work-list.css";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { api, call } from "../api/client";
import type { FailureCause } from "../api/types";
import { Allowed } from "../app/session";
import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { countText } from "../parts/formats";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import { BulkDialog } from "../work-list/bulk-dialog";
import { scanAddress } from "../work-list/scan-row";
import { failedOfCause } from "./failed-of-cause";

function Cause({ one, onRequeue }: { one: FailureCause; onRequeue: (ids: string[]) => void }) {
  const find = useMutation({
    mutationFn: () => failedOfCause(one.cause),
    onSuccess: onRequeue,
  });
  return (
    <li className="card stack">
      <div className="row spread">
        <h2 className="wrap-anywhere cause-text">{one.cause}</h2>
        <Allowed right="operate">
          <Button busy={find.isPending} onClick={() => find.mutate()}>
            {one.count === 1 ? "Requeue" : `Requeue all ${one.count}`}
          </Button>
        </Allowed>
      </div>
      <p>
        <strong className="number">{countText(one.count, "scan")}</strong>
        {one.newest_at && (
          <span className="muted">
            , the latest <Time at={one.newest_at} />
          </span>
        )}
      </p>
      {find.error && <Problem problem={find.error} onRetry={() => find.mutate()} />}
      <details>
        <summary>
          {one.count > one.example_ids.length
            ? `The latest ${one.example_ids.length} of them`
            : "Which scans"}
        </summary>
        <ul className="examples">
          {one.example_ids.map((key) => (
            <li key={key}>
              <Link className="mono wrap-anywhere" to={scanAddress(key)}>
                {key}
              </Link>
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

/** Failed scans by what made them fail: what is mended once lets all of them be requeued. */
export function Component() {
  const queries = useQueryClient();
  const [ids, setIds] = useState<string[] | null>(null);
  const failures = useQuery({
    queryKey: ["failures"],
    queryFn: ({ signal }) => call(api.GET("/api/v1/failures", { signal })),
  });
  const { data } = failures;
  return (
    <Page title="Failed scans">
      {failures.isPending && <Loading what="failed scans" />}
      {failures.error && (
        <Problem problem={failures.error} onRetry={() => void failures.refetch()} />
      )}
      {data?.items.length === 0 && (
        <Empty title="No scan has failed">
          A scan that fails every attempt appears here, with the reason and a button to requeue it.
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <>
          <p>
            Fix the cause, then requeue the scans to analyse them again.{" "}
            <Link to="/scans?state=failed">Show them in the work list</Link>
          </p>
          {!data.complete && (
            <Note tone="warn">
              Only the newest failed scans are counted. Requeue some, and the others will appear.
            </Note>
          )}
          <ul className="causes">
            {data.items.map((one) => (
              <Cause key={one.cause} one={one} onRequeue={setIds} />
            ))}
          </ul>
        </>
      )}
      {ids && (
        <BulkDialog
          kind="requeue"
          ids={ids}
          onClose={() => setIds(null)}
          onChanged={() => {
            for (const name of ["failures", "counts", "scans"]) {
              void queries.invalidateQueries({ queryKey: [name] });
            }
          }}
        />
      )}
    </Page>
  );
}
