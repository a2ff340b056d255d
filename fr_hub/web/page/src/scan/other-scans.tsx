import { Link } from "react-router";

import { contrastOf } from "../parts/formats";
import { StateTag } from "../parts/tag";
import { Time } from "../parts/time";
import { type Scan, useOtherScans } from "./scan-api";

/** The other scans of the subject, with a link to compare. */
export function OtherScans({ scan }: { scan: Scan }) {
  const others = useOtherScans(scan);
  if (!others.data?.length) return null;
  const here = encodeURIComponent(scan.key);
  return (
    <section className="card stack" aria-labelledby="others">
      <h2 id="others">Other scans of this subject</h2>
      <ul className="other-scans">
        {others.data.map((other) => (
          <li key={other.key} className="row spread">
            <span className="row">
              <Link to={`/scans/${encodeURIComponent(other.key)}`}>
                {other.scan_id.slice(0, 8)}
                {other.session && `, ${other.session}`}
                {contrastOf(other) && `, ${contrastOf(other)}`}
              </Link>
              <StateTag state={other.state} />
              <span className="muted">
                <Time at={other.received_at} form="short" />
              </span>
            </span>
            {scan.has_voxels && other.shape && (
              <Link to={`/compare?a=${here}&b=${encodeURIComponent(other.key)}`}>Compare</Link>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
