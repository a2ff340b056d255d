import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

import type { State, Verdict } from "../api/types";

/** What the work list shows, as its address has it. */
export interface Filters {
  state: ShownState[];
  pacs: string[];
  verdict: Verdict | null;
  lesions: WithLesions | null;
  analyzer: string | null;
  since: string | null;
  until: string | null;
  text: string | null;
}

/** Whether the report of a head lists lesions, or none. */
export type WithLesions = "with" | "without";

export type ShownState = Exclude<State, "unknown">;

export const STATES: ShownState[] = ["waiting", "analysing", "done", "failed", "erased", "purged"];
export const VERDICTS: Verdict[] = ["pass", "warn", "fail"];

/** A day of an address, or null if it is none. */
function day(value: string | null): string | null {
  return value !== null && /^\d{4}-\d{2}-\d{2}$/.test(value) ? value : null;
}

/** Ids and pseudonyms have these characters only; the API refuses others. */
export const TEXT = /^[A-Za-z0-9._@-]{1,130}$/;

function read(params: URLSearchParams): Filters {
  const verdict = params.get("verdict") as Verdict | null;
  const lesions = params.get("lesions");
  const text = params.get("text");
  return {
    state: STATES.filter((state) => params.getAll("state").includes(state)),
    pacs: params.getAll("pacs"),
    verdict: verdict !== null && VERDICTS.includes(verdict) ? verdict : null,
    lesions: lesions === "with" || lesions === "without" ? lesions : null,
    analyzer: params.get("analyzer"),
    since: day(params.get("since")),
    until: day(params.get("until")),
    text: text !== null && TEXT.test(text) ? text : null,
  };
}

function write(filters: Filters): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(filters) as [string, string | string[] | null][]) {
    if (Array.isArray(value)) value.forEach((one) => params.append(name, one));
    else if (value) params.set(name, value);
  }
  return params;
}

/** The filters in the address, and how to change them. */
export function useFilters(): [Filters, (change: Partial<Filters>) => void] {
  const [params, setParams] = useSearchParams();
  const written = params.toString();
  const filters = useMemo(() => read(new URLSearchParams(written)), [written]);
  const change = useCallback(
    (some: Partial<Filters>) => setParams(write({ ...filters, ...some }), { replace: true }),
    [filters, setParams],
  );
  return [filters, change];
}

/** The parameters of the API for these filters. Days are those of the viewer's zone. */
export function queryOf(filters: Filters) {
  const { state, pacs, verdict, lesions, analyzer, since, until, text } = filters;
  return {
    ...(state.length > 0 && { state }),
    ...(pacs.length > 0 && { pacs }),
    ...(verdict && { verdict }),
    ...(lesions && { lesions: lesions === "with" }),
    ...(analyzer && { analyzer }),
    ...(since && { since: new Date(`${since}T00:00:00`).toISOString() }),
    ...(until && { until: new Date(`${until}T23:59:59.999`).toISOString() }),
    ...(text && { text }),
  };
}

/** Whether anything limits the list. */
export function isLimited(filters: Filters): boolean {
  return Object.keys(queryOf(filters)).length > 0;
}
