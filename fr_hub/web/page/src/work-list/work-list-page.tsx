import "../styles/work-list.css";

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";

import { useRight } from "../app/session-context";
import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { countText, numberText } from "../parts/formats";
import { Icon } from "../parts/icon";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { BulkDialog } from "./bulk-dialog";
import type { ChangeKind } from "./changes";
import { FilterBar } from "./filter-bar";
import { type Filters, isLimited, queryOf, useFilters } from "./filters";
import { ScanRows } from "./scan-rows";
import { SelectionBar } from "./selection-bar";
import { Summary, useCounts } from "./summary";
import { useScans } from "./use-scans";
import { useSelection } from "./use-selection";

function csvAddress(filters: Filters): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(queryOf(filters))) {
    [value].flat().forEach((one) => params.append(name, String(one)));
  }
  return `/api/v1/reports.csv?${params.toString()}`;
}

function isAtTop(): boolean {
  return window.scrollY < 200;
}

/** How many scans the filters find; null: nobody has counted. */
function useTotal(filters: Filters): number | null {
  const { data } = useCounts(filters);
  if (!data || !data.complete) return null;
  const counts = Object.entries(data.states);
  const chosen = filters.state as string[];
  return counts
    .filter(([state]) => chosen.length === 0 || chosen.includes(state))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** The scans as they come and go. */
export function Component() {
  const [filters, change] = useFilters();
  const mayOperate = useRight("operate");
  const queries = useQueryClient();
  const scans = useScans(filters, isAtTop);
  const selection = useSelection(scans.rows);
  const total = useTotal(filters);
  const [asked, setAsked] = useState<{ kind: ChangeKind; ids: string[] } | null>(null);
  const { touch, loadMore } = scans;

  const onChanged = useCallback(
    (ids: string[]) => {
      touch(ids);
      void queries.invalidateQueries({ queryKey: ["counts"] });
      void queries.invalidateQueries({ queryKey: ["failures"] });
    },
    [touch, queries],
  );

  return (
    <Page
      title="Work list"
      actions={
        <a className="button" href={csvAddress(filters)} download="reports.csv">
          <Icon name="download" /> Reports as CSV
        </a>
      }
    >
      <Summary filters={filters} onChange={change} />
      <FilterBar filters={filters} onChange={change} />
      {scans.problem ? (
        <Problem problem={scans.problem} onRetry={scans.retry} />
      ) : scans.isLoading ? (
        <Loading what="scans" />
      ) : scans.rows.length === 0 && !scans.hasMore ? (
        <NoScans isLimited={isLimited(filters)} />
      ) : (
        <>
          <ScanRows
            rows={scans.rows}
            total={total}
            hasMore={scans.hasMore}
            onMore={loadMore}
            selection={mayOperate ? selection : null}
          />
          <p className="muted number list-end" role="status">
            {scans.hasMore
              ? `${numberText(scans.rows.length)} loaded${total === null ? "" : ` of ${numberText(total)}`}; scroll on for more`
              : `${scans.rows.length === 1 ? "" : "All "}${countText(scans.rows.length, "scan")} shown`}
          </p>
        </>
      )}
      {scans.hasNewer && (
        <Button
          kind="primary"
          icon={<Icon name="up" />}
          className="button newer"
          onClick={() => {
            window.scrollTo({ top: 0 });
            scans.showNewer();
          }}
        >
          New scans
        </Button>
      )}
      <SelectionBar
        count={selection.keys.size}
        onChange={(kind) => setAsked({ kind, ids: [...selection.keys] })}
        onClear={selection.clear}
      />
      {asked && (
        <BulkDialog
          kind={asked.kind}
          ids={asked.ids}
          onChanged={onChanged}
          onClose={() => setAsked(null)}
        />
      )}
    </Page>
  );
}

function NoScans({ isLimited: limited }: { isLimited: boolean }) {
  return limited ? (
    <Empty title="No scan matches">
      Choose other states, another Fr-PACS or other days. Search finds ids and pseudonyms by their
      first characters; it does not read reports.
    </Empty>
  ) : (
    <Empty title="No scans yet">
      Scans appear here as soon as a Fr-PACS sends them or a user uploads them. To try it, run{" "}
      <code>make all SCANS=20</code>.
    </Empty>
  );
}
