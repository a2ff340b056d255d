import "./scan.css";

import { Suspense, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import type { Vec3 } from "../viewer/geometry";
import { type Scan, useReport, useScan } from "./scan-api";
import { hasView, ScanView } from "./views";

const minus = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const plus = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];

/** Two scans side by side, with linked crosshairs. */
export function Component() {
  const [query] = useSearchParams();
  const [a, b] = [query.get("a") ?? "", query.get("b") ?? ""];
  if (!a || !b) {
    return (
      <Page title="Compare two scans">
        <Empty title="Choose two scans to compare">
          Open a scan whose subject has several scans, and choose Compare beside one of them.
        </Empty>
      </Page>
    );
  }
  return <Comparison key={`${a} ${b}`} a={a} b={b} />;
}

function Comparison({ a, b }: { a: string; b: string }) {
  const [left, right] = [useScan(a), useScan(b)];
  const [cursors, setCursors] = useState<[Vec3 | null, Vec3 | null]>([null, null]);
  const [isLinked, setLinked] = useState(true);
  /** From the place in the left image to that in the right one, mm. */
  const [offset, setOffset] = useState<Vec3>([0, 0, 0]);

  function move(side: 0 | 1, mm: Vec3) {
    const other = side === 0 ? plus(mm, offset) : minus(mm, offset);
    if (isLinked) setCursors(side === 0 ? [mm, other] : [other, mm]);
    else setCursors(([one, two]) => (side === 0 ? [mm, two] : [one, mm]));
  }

  function link(linked: boolean) {
    setLinked(linked);
    const [one, two] = cursors;
    if (linked && one && two) setOffset(minus(two, one));
  }

  const subjects = [left.data?.subject, right.data?.subject];
  const isOther = left.data && right.data && (!subjects[0] || subjects[0] !== subjects[1]);
  return (
    <Page title="Compare two scans">
      {isOther && (
        <Note tone="warn">
          These scans may show different subjects, so the same coordinates may be different places
          in the two images.
        </Note>
      )}
      <div className="row">
        <label className="row">
          <input
            type="checkbox"
            checked={isLinked}
            onChange={(event) => link(event.target.checked)}
          />
          <span>Move both crosshairs together</span>
        </label>
        {offset.some((mm) => mm !== 0) && (
          <Button onClick={() => setOffset([0, 0, 0])}>Use the same coordinates again</Button>
        )}
        <span className="muted">
          If the head lies differently in the two images, switch this off, place both crosshairs on
          the same spot, and switch it on again.
        </span>
      </div>
      <div className="compare-columns">
        <Side found={left} cursor={cursors[0]} onCursor={(mm) => move(0, mm)} />
        <Side found={right} cursor={cursors[1]} onCursor={(mm) => move(1, mm)} />
      </div>
    </Page>
  );
}

interface SideProps {
  found: ReturnType<typeof useScan>;
  cursor: Vec3 | null;
  onCursor(mm: Vec3): void;
}

function Side({ found, cursor, onCursor }: SideProps) {
  if (found.error) return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="the scan" />;
  return <LoadedSide scan={found.data} cursor={cursor} onCursor={onCursor} />;
}

interface LoadedSideProps extends Omit<SideProps, "found"> {
  scan: Scan;
}

function LoadedSide({ scan, cursor, onCursor }: LoadedSideProps) {
  const report = useReport(scan.key, null, scan.revision !== null);
  return (
    <div className="stack">
      <h2>
        <Link to={`/scans/${encodeURIComponent(scan.key)}`}>
          Scan {scan.scan_id.slice(0, 8)}
          {scan.session && `, ${scan.session}`}
        </Link>
      </h2>
      <p className="muted">
        Received <Time at={scan.received_at} form="short" />
      </p>
      {hasView(scan) ? (
        <Suspense fallback={<Loading what="the viewer" />}>
          <ScanView scan={scan} report={report.data ?? null} cursor={cursor} onCursor={onCursor} />
        </Suspense>
      ) : (
        <Note tone="warn">This scan has no image that can be shown, so it cannot be compared.</Note>
      )}
    </div>
  );
}
