import { Link } from "react-router";

import { mlText } from "../parts/formats";
import { brainOf, type Report, type WithT1 } from "./scan-api";

const VOLUMES = [
  ["Grey matter", "grey_matter_ml"],
  ["White matter", "white_matter_ml"],
  ["Fluid", "csf_ml"],
] as const;

/** What a FLAIR scan shows together with the T1 scan of its study. */
export function WithT1Card({ report }: { report: Report }) {
  const withT1 = brainOf(report.findings)?.with_t1;
  if (!withT1) return null;
  const here = encodeURIComponent(`${report.scan_id}@${report.pacs}`);
  const there = encodeURIComponent(`${withT1.t1_scan}@${report.pacs}`);
  return (
    <section className="card stack" aria-labelledby="with-t1">
      <div className="row spread">
        <h2 id="with-t1">With the T1 scan</h2>
        <Link to={`/compare?a=${here}&b=${there}`}>Compare with T1</Link>
      </div>
      <p>
        T1 scan of the same study: <Link to={`/scans/${there}`}>{withT1.t1_scan.slice(0, 8)}</Link>.
      </p>
      {withT1.withheld ? <p>Not read together. {withT1.withheld}</p> : <Measures withT1={withT1} />}
    </section>
  );
}

function Measures({ withT1 }: { withT1: WithT1 }) {
  const percent = withT1.intracranial_difference_percent;
  return (
    <>
      {withT1.doubt && <p>Doubtful: {withT1.doubt}</p>}
      <dl className="facts">
        {typeof withT1.t1_intracranial_ml === "number" && typeof percent === "number" && (
          <div className="fact">
            <dt>Inside the skull, on T1</dt>
            <dd>
              {mlText(withT1.t1_intracranial_ml)} ({percent > 0 ? "+" : ""}
              {percent.toFixed(1)} %)
            </dd>
          </div>
        )}
        {VOLUMES.map(([name, field]) => {
          const ml = withT1[field];
          return (
            typeof ml === "number" && (
              <div key={field} className="fact">
                <dt>{name}, on T1</dt>
                <dd>{mlText(ml)}</dd>
              </div>
            )
          );
        })}
      </dl>
      <p className="muted">Lesions of this scan count as white matter in these volumes.</p>
      {withT1.lesions.length > 0 && (
        <p className="muted">
          The table of lesions gives the share of each that T1 does not label as white matter. It is
          high where a lesion is dark on T1, but also in and beside grey matter and fluid.
        </p>
      )}
    </>
  );
}
