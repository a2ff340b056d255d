import "./ecg.css";

import { useMemo } from "react";

import type { Findings } from "../scan/scan-api";
import { LeadTable } from "./lead-table";
import { MeasureTable } from "./measure-table";
import { peakTimes } from "./peaks";
import { RrChart } from "./rr-chart";
import { type Recording, Traces } from "./traces";

export type EcgFindings = Extract<Findings, { kind: "ecg" }>;
export type EcgMeasures = NonNullable<EcgFindings["measures"]>;

const NO_PEAKS = new Float64Array();

interface Props {
  title: string;
  /** Of the samples; null: they were removed. */
  url: string | null;
  recording: Recording;
  /** Null: there is no report. */
  findings: Findings | null;
}

/** An ECG: its traces, and what the analyzer measures in them. */
export function EcgParts({ title, url, recording, findings }: Props) {
  const found = findings?.kind === "ecg" ? (findings as EcgFindings) : null;
  const measures = found?.measures ?? null;
  const listed = measures?.peaks ?? null;
  const peaks = useMemo(
    () => (listed ? peakTimes(listed.encoded, listed.step_ms) : NO_PEAKS),
    [listed],
  );
  return (
    <div className="stack">
      {url !== null && (
        <Traces key={url} title={title} url={url} recording={recording} peaks={peaks} />
      )}
      {measures && peaks.length > 2 && <RrChart peaks={peaks} count={listed?.count ?? 0} />}
      {measures && <MeasureTable measures={measures} />}
      {found && <LeadTable findings={found} />}
    </div>
  );
}
