import "./ecg.css";

import { useMemo } from "react";

import { addressOf, type Report } from "../scan/scan-api";
import type { ScanViewProps } from "../scan/views";
import { LeadTable } from "./lead-table";
import { MeasureTable } from "./measure-table";
import { peakTimes } from "./peaks";
import { RrChart } from "./rr-chart";
import { Traces } from "./traces";

export type EcgFindings = Extract<Report["findings"], { kind: "ecg" }>;
export type EcgMeasures = NonNullable<EcgFindings["measures"]>;

const NO_PEAKS = new Float64Array();

/** A scan that is an ECG: its traces, and what the report measures in them. */
export default function EcgView({ scan, report }: ScanViewProps) {
  const findings = report?.findings.kind === "ecg" ? (report.findings as EcgFindings) : null;
  const measures = findings?.measures ?? null;
  const found = measures?.peaks ?? null;
  const peaks = useMemo(
    () => (found ? peakTimes(found.encoded, found.step_ms) : NO_PEAKS),
    [found],
  );
  if (!scan.signal) return null;
  return (
    <div className="stack">
      <Traces
        key={scan.key}
        title={`ECG of scan ${scan.scan_id}`}
        url={addressOf(scan.key, "samples")}
        signal={scan.signal}
        count={scan.shape?.[0] ?? 0}
        peaks={peaks}
      />
      {measures && peaks.length > 2 && <RrChart peaks={peaks} count={found?.count ?? 0} />}
      {measures && <MeasureTable measures={measures} />}
      {findings && <LeadTable findings={findings} />}
    </div>
  );
}
