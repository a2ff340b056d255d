import { useCallback, useMemo, useRef, useState } from "react";

import type { ScanSummary } from "../api/types";

export interface Selection {
  keys: ReadonlySet<string>;
  /** Select a scan or not; as a range, all from the last one on. */
  toggle: (key: string, isRange: boolean) => void;
  /** Select all loaded scans, or none. */
  all: (isOn: boolean) => void;
  clear: () => void;
}

/** The scans that are selected among these. */
export function useSelection(rows: ScanSummary[]): Selection {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const last = useRef<string | null>(null);

  const toggle = useCallback(
    (key: string, isRange: boolean) => {
      setChosen((now) => {
        const next = new Set(now);
        const isOn = !now.has(key);
        const from = rows.findIndex((row) => row.key === last.current);
        const to = rows.findIndex((row) => row.key === key);
        const range =
          isRange && from >= 0 ? rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [];
        for (const one of [key, ...range.map((row) => row.key)]) {
          if (isOn) next.add(one);
          else next.delete(one);
        }
        return next;
      });
      last.current = key;
    },
    [rows],
  );

  // What is no longer in the list is not selected either: nobody could see it.
  const keys = useMemo(
    () =>
      chosen.size === 0
        ? chosen
        : new Set(rows.filter(({ key }) => chosen.has(key)).map(({ key }) => key)),
    [rows, chosen],
  );
  return {
    keys,
    toggle,
    all: (isOn) => setChosen(new Set(isOn ? rows.map(({ key }) => key) : [])),
    clear: () => setChosen(new Set()),
  };
}
