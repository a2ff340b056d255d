import { type UseQueryResult, useQuery } from "@tanstack/react-query";

import { api, call } from "../api/client";
import type { components } from "../api/schema";

type Schemas = components["schemas"];
export type Scan = Schemas["ScanDetails"];
export type Report = Schemas["BrainReport"];
export type Findings = Report["findings"];
export type BrainFindings = Extract<Findings, { kind: "brain" }>;
export type Lesion = Schemas["Lesion"];
export type FollowUp = Schemas["FollowUp"];
export type ChangedLesion = Schemas["ChangedLesion"];
export type WithT1 = Schemas["WithT1"];
export type Volumes = Schemas["Volumes"];
export type ScanEvent = Schemas["Event"];
export type Revision = Schemas["RevisionItem"];
export type ChangedField = Schemas["ChangedField"];
export type LabelMap = Schemas["LabelMapItem"];

/** A scan and what happened to it. */
export function useScan(key: string): UseQueryResult<Scan> {
  return useQuery({
    queryKey: ["scan", key],
    queryFn: ({ signal }) =>
      call(api.GET("/api/v1/scans/{key}", { params: { path: { key } }, signal })),
    enabled: key !== "",
  });
}

/** Queries below `["scan", key]` are read again when the scan changes. */
export function useReport(
  key: string,
  revision: number | null,
  enabled: boolean,
): UseQueryResult<Report> {
  return useQuery({
    queryKey: ["scan", key, "report", revision],
    queryFn: ({ signal }) =>
      call(
        api.GET("/api/v1/scans/{key}/report", {
          params: { path: { key }, query: revision ? { revision } : {} },
          signal,
        }),
      ),
    enabled,
  });
}

/** The report as plain text. */
export function useReportText(key: string, revision: number | null): UseQueryResult<string> {
  return useQuery({
    queryKey: ["scan", key, "text", revision],
    queryFn: async ({ signal }) => {
      const text = await call(
        api.GET("/api/v1/scans/{key}/report.txt", {
          params: { path: { key }, query: revision ? { revision } : {} },
          parseAs: "text",
          signal,
        }),
      );
      return String(text);
    },
  });
}

export function useRevisions(key: string): UseQueryResult<Revision[]> {
  return useQuery({
    queryKey: ["scan", key, "revisions"],
    queryFn: async ({ signal }) => {
      const path = { key };
      return (await call(api.GET("/api/v1/scans/{key}/revisions", { params: { path }, signal })))
        .items;
    },
  });
}

export function useChanges(key: string, from: number, to: number): UseQueryResult<ChangedField[]> {
  return useQuery({
    queryKey: ["scan", key, "changes", from, to],
    queryFn: async ({ signal }) => {
      const params = { path: { key }, query: { from, to } };
      return (await call(api.GET("/api/v1/scans/{key}/changes", { params, signal }))).changes;
    },
  });
}

/** The label maps of a report. */
export function useLabelMaps(
  key: string,
  revision: number | null,
  enabled: boolean,
): UseQueryResult<LabelMap[]> {
  return useQuery({
    queryKey: ["scan", key, "labels", revision],
    queryFn: async ({ signal }) => {
      const params = { path: { key }, query: revision ? { revision } : {} };
      return (await call(api.GET("/api/v1/scans/{key}/labels", { params, signal }))).items;
    },
    enabled,
  });
}

/** Other scans of the subject of a scan. */
export function useOtherScans(scan: Scan): UseQueryResult<Schemas["ScanSummary"][]> {
  const { key, subject } = scan;
  return useQuery({
    queryKey: ["scans", { subject, besides: key }],
    queryFn: async ({ signal }) => {
      const query = { subject: [subject ?? ""], limit: 50 };
      const page = await call(api.GET("/api/v1/scans", { params: { query }, signal }));
      return page.items.filter((other) => other.key !== key);
    },
    enabled: subject !== null,
  });
}

/** The address of something of a scan. */
export function addressOf(key: string, name: string, revision: number | null = null): string {
  const query = revision ? `?revision=${revision}` : "";
  return `/api/v1/scans/${encodeURIComponent(key)}/${name}${query}`;
}

/** The findings of a brain; null: they are of another kind. */
export function brainOf(findings: Findings): BrainFindings | null {
  return findings.kind === "brain" ? (findings as BrainFindings) : null;
}
