import { measureText } from "../parts/formats";
import { Table } from "../parts/table";
import type { EcgMeasures } from "./ecg-parts";

type Measured = EcgMeasures["pr_ms"];

/** Rate, rhythm, intervals and variability, each with its confidence or the reason why not. */
export function MeasureTable({ measures }: { measures: EcgMeasures }) {
  const { rhythm, hrv } = measures;
  const rows: [string, Measured, string][] = [
    ["Heart rate", measures.heart_rate_bpm, "per minute"],
    ["PR", measures.pr_ms, "ms"],
    ["QRS", measures.qrs_ms, "ms"],
    ["QT", measures.qt_ms, "ms"],
    ["QTc (Bazett)", measures.qtc_bazett_ms, "ms"],
    ["QTc (Fridericia)", measures.qtc_fridericia_ms, "ms"],
    ["Axis", measures.axis_degrees, "°"],
    ["SDNN", hrv.sdnn_ms, "ms"],
    ["RMSSD", hrv.rmssd_ms, "ms"],
    ["pNN50", hrv.pnn50_percent, "%"],
    ["LF/HF", hrv.lf_hf, ""],
  ];
  const found = [rhythm.name, ...(rhythm.findings ?? [])].filter(Boolean).map(words).join(", ");
  return (
    <section className="card stack" aria-labelledby="measures">
      <h2 id="measures">Measurements</h2>
      <p>{`Rhythm: ${found || notGiven(rhythm.withheld)}`}</p>
      <Table
        caption="Measurements"
        rows={rows}
        rowKey={([name]) => name}
        stacks="narrow"
        columns={[
          { title: "Measurement", header: true, cell: ([name]) => name },
          { title: "Value", cell: ([, one, unit]) => valueText(one, unit) },
          { title: "Confidence", cell: ([, one]) => one.confidence?.toFixed(2) ?? "" },
        ]}
      />
    </section>
  );
}

/** A code as words. */
export function words(code: string | null | undefined): string {
  return (code ?? "").replaceAll("_", " ");
}

function notGiven(reason: string | null | undefined): string {
  return reason ? `not given: ${reason}` : "not given";
}

function valueText({ value, withheld }: Measured, unit: string): string {
  if (value === null || value === undefined) return notGiven(withheld);
  return measureText(value, unit);
}
