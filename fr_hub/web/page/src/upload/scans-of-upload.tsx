import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { api, call } from "../api/client";
import { countText } from "../parts/formats";
import { StateTag } from "../parts/tag";

const FOLLOWED = 12;

/** The scans that were made of the files, each with its state as it changes. */
export function ScansOfUpload({ keys }: { keys: string[] }) {
  return (
    <ul className="upload-scans" aria-label="Scans of this upload">
      {keys.slice(0, FOLLOWED).map((key) => (
        <li key={key} className="row">
          <ScanState scan={key} />
        </li>
      ))}
      {keys.length > FOLLOWED && (
        <li>
          <Link to="/scans">and {countText(keys.length - FOLLOWED, "scan")} more</Link>
        </li>
      )}
    </ul>
  );
}

function ScanState({ scan }: { scan: string }) {
  const found = useQuery({
    queryKey: ["scan", scan],
    queryFn: () => call(api.GET("/api/v1/scans/{key}", { params: { path: { key: scan } } })),
  });
  return (
    <>
      {found.data && <StateTag state={found.data.state} />}
      <Link to={`/scans/${scan}`} className="mono wrap-anywhere">
        {scan}
      </Link>
      {found.data?.cause && <span className="muted">{found.data.cause}</span>}
    </>
  );
}
