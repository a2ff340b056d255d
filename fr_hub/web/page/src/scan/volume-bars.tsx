import { mlText } from "../parts/formats";
import { type Norm, NORMS, SOURCES } from "./norms";
import type { Volumes } from "./scan-api";

interface Row {
  name: string;
  title: string;
  ml: number | null | undefined;
  percent?: number | null | undefined;
}

/** The volumes of a report as bars, with the range of healthy adults. */
export function VolumeBars({ volumes }: { volumes: Volumes | null }) {
  const rows: Row[] = volumes
    ? [
        { name: "intracranial", title: "Intracranial", ml: volumes.intracranial_ml },
        { name: "brain", title: "Brain", ml: volumes.brain_ml, percent: volumes.brain_percent },
        {
          name: "grey",
          title: "Grey matter",
          ml: volumes.grey_matter_ml,
          percent: volumes.grey_matter_percent,
        },
        {
          name: "white",
          title: "White matter",
          ml: volumes.white_matter_ml,
          percent: volumes.white_matter_percent,
        },
        { name: "csf", title: "CSF", ml: volumes.csf_ml, percent: volumes.csf_percent },
      ]
    : [];
  const shown = rows.filter((row): row is Row & { ml: number } => typeof row.ml === "number");
  const highs = shown.flatMap(({ name, ml }) => [ml, NORMS[name]?.high ?? 0]);
  const most = 1.05 * Math.max(1, ...highs);
  return (
    <section className="card stack" aria-labelledby="volumes">
      <h2 id="volumes">Volumes</h2>
      {!shown.length && <p>This report gives no volumes.</p>}
      {shown.length > 0 && (
        <>
          <div className="volume-bars">
            {shown.map((row) => (
              <Bar key={row.name} row={row} norm={NORMS[row.name] ?? null} most={most} />
            ))}
          </div>
          <details>
            <summary>Where the ranges come from</summary>
            <ul className="plain-list">
              {SOURCES.map((source) => (
                <li key={source}>{source}</li>
              ))}
            </ul>
          </details>
        </>
      )}
    </section>
  );
}

interface BarProps {
  row: Row & { ml: number };
  norm: Norm | null;
  most: number;
}

function Bar({ row, norm, most }: BarProps) {
  const at = (ml: number) => (100 * ml) / most;
  return (
    <div className="volume-bar">
      <span>{row.title}</span>
      <span className="number">
        {mlText(row.ml)}
        {typeof row.percent === "number" && (
          <span className="muted"> ({row.percent.toFixed(1)} %)</span>
        )}
      </span>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect className="ground" width="100" height="10" />
        {norm && (
          <rect className="norm" x={at(norm.low)} width={at(norm.high - norm.low)} height="10" />
        )}
        <rect className="value" y="3" width={at(row.ml)} height="4" />
      </svg>
      <span className="volume-norm muted">{norm && judged(row.ml, norm)}</span>
    </div>
  );
}

function judged(ml: number, { low, high, kind }: Norm): string {
  const range = `${low} to ${high} ml`;
  if (kind === "means") return `averages of adults by age: ${range}`;
  if (ml < low) return `below the range of healthy adults, ${range}`;
  if (ml > high) return `above the range of healthy adults, ${range}`;
  return `within the range of healthy adults, ${range}`;
}
