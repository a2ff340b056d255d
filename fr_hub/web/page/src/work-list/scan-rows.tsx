import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";

import type { ScanSummary } from "../api/types";
import { ScanRow } from "./scan-row";
import type { Selection } from "./use-selection";

interface Props {
  rows: ScanSummary[];
  /** How many there are in all; null: nobody knows. */
  total: number | null;
  hasMore: boolean;
  onMore: () => void;
  /** null: the user may not change scans. */
  selection: Selection | null;
}

const NARROW = window.matchMedia("(max-width: 47.99rem)");
const HEIGHT = { wide: 46, narrow: 92 };

function useIsNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener("change", listener);
      return () => NARROW.removeEventListener("change", listener);
    },
    () => NARROW.matches,
  );
}

const COLUMNS = [
  ["cell-scan", "Scan"],
  ["cell-state", "State"],
  ["cell-subject", "Subject"],
  ["cell-kind", "Type and size"],
  ["cell-result", "Result"],
  ["cell-pacs", "Fr-PACS"],
  ["cell-time", "Arrived"],
] as const;

/** The rows of the work list: only those in view are in the document, so their number may be any. */
export function ScanRows({ rows, total, hasMore, onMore, selection }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const isNarrow = useIsNarrow();
  const height = isNarrow ? HEIGHT.narrow : HEIGHT.wide;
  const [top, setTop] = useState(0);

  useLayoutEffect(() => {
    const place = () => setTop((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
    place();
    const observer = new ResizeObserver(place);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => height,
    overscan: 12,
    scrollMargin: top,
    getItemKey: (index) => rows[index]?.key ?? index,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, height]);

  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && last >= rows.length - 30) onMore();
  }, [hasMore, last, rows.length, onMore]);

  return (
    <div
      className="scan-table"
      role="table"
      aria-label="Scans"
      aria-rowcount={total === null ? -1 : total + 1}
      data-selectable={selection !== null || undefined}
    >
      <div role="rowgroup" className="scan-head">
        <div className="scan-row" role="row" aria-rowindex={1}>
          {selection && (
            <div className="cell-check" role="columnheader">
              <input
                type="checkbox"
                aria-label="Select all loaded scans"
                checked={rows.length > 0 && selection.keys.size >= rows.length}
                onChange={({ target }) => selection.all(target.checked)}
              />
            </div>
          )}
          {COLUMNS.map(([name, title]) => (
            <div key={name} className={name} role="columnheader">
              {title}
            </div>
          ))}
        </div>
      </div>
      <div
        ref={body}
        role="rowgroup"
        className="scan-body"
        style={{ height: virtualizer.getTotalSize() }}
      >
        {items.map((item) => {
          const scan = rows[item.index];
          return (
            scan && (
              <ScanRow
                key={item.key}
                scan={scan}
                index={item.index}
                style={{ height, transform: `translateY(${item.start - top}px)` }}
                isSelectable={selection !== null}
                isSelected={selection?.keys.has(scan.key) === true}
                onSelect={(key, isRange) => selection?.toggle(key, isRange)}
              />
            )
          );
        })}
      </div>
    </div>
  );
}
