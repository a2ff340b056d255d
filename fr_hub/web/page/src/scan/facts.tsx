import { shapeText } from "../parts/formats";
import { Time } from "../parts/time";
import type { Scan } from "./scan-api";

/** What is known of a scan, apart from its report. */
export function Facts({ scan }: { scan: Scan }) {
  const facts: [string, React.ReactNode][] = [
    ["Id", scan.scan_id],
    ["Fr-PACS", scan.pacs],
    ["Subject", scan.subject],
    ["Study", scan.study],
    ["Series", scan.series],
    ["Session", scan.session],
    ["Kind", [scan.scan_type, scan.modality, scan.contrast].filter(Boolean).join(", ")],
    ["Voxels", shapeText(scan.shape)],
    ["Voxel size", scan.voxel_size_mm?.map((mm) => mm.toPrecision(3)).join(" × ")],
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
                <dd>
                  {value}
                  {title === "Voxel size" && " mm"}
                </dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}
