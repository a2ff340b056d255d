import { contrastOf, durationText, numberText, sizeText } from "../parts/formats";
import { Time } from "../parts/time";
import type { Scan } from "./scan-api";

type Fact = [string, React.ReactNode];

function imageFacts(scan: Scan): Fact[] {
  const sizes = scan.voxel_size_mm?.map((mm) => mm.toPrecision(3)).join(" × ");
  return [
    ["Voxels", sizeText(scan)],
    ["Voxel size", sizes && `${sizes} mm`],
  ];
}

function signalFacts({ shape, signal }: Scan): Fact[] {
  const hz = signal?.sampling_rate_hz;
  return [
    ["Leads", signal?.leads.join(", ")],
    ["Samples per lead", shape && numberText(shape[0] ?? 0)],
    ["Sampling rate", hz && `${numberText(hz)} Hz`],
    ["Duration", hz && shape && durationText((shape[0] ?? 0) / hz, 1)],
    ["Unit", signal?.lead_units ? signal.lead_units.join(", ") : signal?.units],
    ["Filters", signal?.filters.join(", ")],
  ];
}

/** What is known of a scan, apart from its report. */
export function Facts({ scan }: { scan: Scan }) {
  const facts: Fact[] = [
    ["Id", scan.scan_id],
    ["Fr-PACS", scan.pacs],
    ["Subject", scan.subject],
    ["Study", scan.study],
    ["Series", scan.series],
    ["Session", scan.session],
    ["Kind", [scan.scan_type, scan.modality, contrastOf(scan)].filter(Boolean).join(", ")],
    ...(scan.kind === "signal" ? signalFacts(scan) : imageFacts(scan)),
    ["Priority", scan.priority],
    ["Received", scan.received_at && <Time key="received" at={scan.received_at} />],
    ["Attempts", scan.attempts],
    ["Analyzer", scan.analyzer],
  ];
  return (
    <section className="card stack" aria-labelledby="facts">
      <h2 id="facts">Details</h2>
      <dl className="facts">
        {facts.map(
          ([title, value]) =>
            value !== null &&
            value !== undefined &&
            value !== "" && (
              <div key={title} className="fact">
                <dt>{title}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}
