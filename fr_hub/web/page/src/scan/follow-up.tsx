import { Link } from "react-router";

import { mlText } from "../parts/formats";
import type { Vec3 } from "../viewer/geometry";
import { placeText } from "./lesions";
import { brainOf, type ChangedLesion, type FollowUp, type Report } from "./scan-api";

const CHANGES = ["new", "grown", "shrunk", "stable", "gone"] as const;

interface Props {
  report: Report;
  onShow(mm: Vec3): void;
}

/** What changed since the subject's previous scan. A click shows a lesion in the viewer. */
export function FollowUpCard({ report, onShow }: Props) {
  const followUp = brainOf(report.findings)?.follow_up;
  if (!followUp) return null;
  const key = `${followUp.previous_scan}@${report.pacs}`;
  const here = encodeURIComponent(`${report.scan_id}@${report.pacs}`);
  const there = encodeURIComponent(key);
  const days = Math.round(followUp.days);
  return (
    <section className="card stack" aria-labelledby="follow-up">
      <div className="row spread">
        <h2 id="follow-up">Since the previous scan</h2>
        <Link to={`/compare?a=${here}&b=${there}`}>Compare the images</Link>
      </div>
      <p>
        Previous scan: <Link to={`/scans/${there}`}>{followUp.previous_scan.slice(0, 8)}</Link>,
        acquired {followUp.previous_acquired_at.slice(0, 10)}, {days} {days === 1 ? "day" : "days"}{" "}
        earlier.
      </p>
      {followUp.withheld ? (
        <p>Not compared. {followUp.withheld}</p>
      ) : (
        <Changes followUp={followUp} onShow={onShow} />
      )}
    </section>
  );
}

function Changes({ followUp, onShow }: { followUp: FollowUp; onShow(mm: Vec3): void }) {
  const { brain_change_percent: change, brain_error_percent: error } = followUp;
  const changed = followUp.lesions.filter((lesion) => !lesion.doubtful);
  const newMl = followUp.new && followUp.new_ml ? ` (${mlText(followUp.new_ml)})` : "";
  return (
    <>
      <dl className="facts">
        {CHANGES.map((name) => (
          <div key={name} className="fact">
            <dt>{name === "new" ? "New lesions" : `${name[0]?.toUpperCase()}${name.slice(1)}`}</dt>
            <dd>
              {followUp[name] ?? ""}
              {name === "new" && newMl}
            </dd>
          </div>
        ))}
        {typeof change === "number" && (
          <div className="fact">
            <dt>Brain volume</dt>
            <dd>
              {change > 0 ? "+" : ""}
              {change.toFixed(1)} %
            </dd>
          </div>
        )}
      </dl>
      {Boolean(followUp.doubtful) && (
        <p>
          {followUp.doubtful} more were found in only one of the scans, and may have been missed in
          the other.
        </p>
      )}
      {typeof error === "number" && (
        <p className="muted">
          In 95 % of pairs of synthetic scans of one head, the measured change was off by at most{" "}
          {error.toFixed(1)} %. Two real scanners may differ by more.
        </p>
      )}
      {changed.length > 0 && (
        <ul className="plain-list">
          {changed.map((lesion) => (
            <li key={`${lesion.ids.join()}/${lesion.previous_ids.join()}`}>
              <button type="button" className="link" onClick={() => onShow(lesion.centroid_mm)}>
                {changeText(lesion)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Such as "Grown: 0.410 ml to 0.820 ml, at R 12, A 3, S 40 mm". */
function changeText(lesion: ChangedLesion): string {
  const title = `${lesion.change[0]?.toUpperCase()}${lesion.change.slice(1)}`;
  const where = `at ${placeText(lesion.centroid_mm)} mm`;
  if (lesion.change === "new") return `${title}: ${mlText(lesion.volume_ml)}, ${where}`;
  if (lesion.change === "gone") return `${title}: ${mlText(lesion.previous_ml)}, ${where}`;
  return `${title}: ${mlText(lesion.previous_ml)} to ${mlText(lesion.volume_ml)}, ${where}`;
}
