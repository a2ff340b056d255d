import "./scan.css";

import { Suspense, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { contrastOf } from "../parts/formats";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import type { Vec3 } from "../viewer/geometry";
import { alignmentOf, isAligned } from "./alignment";
import { type Scan, useReport, useScan } from "./scan-api";
import { hasView, ScanView } from "./views";

const minus = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const plus = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];

/** A scan, with a revision of its report; null: the current one. */
interface Shown {
  key: string;
  revision: number | null;
}

function shownIn(query: URLSearchParams, side: "a" | "b"): Shown {
  const revision = Number(query.get(`${side}_revision`));
  const isOne = Number.isInteger(revision) && revision > 0;
  return { key: query.get(side) ?? "", revision: isOne ? revision : null };
}

/** Two scans, or two revisions of one, side by side, with linked crosshairs. */
export function Component() {
  const [query] = useSearchParams();
  const [a, b] = [shownIn(query, "a"), shownIn(query, "b")];
  if (!a.key || !b.key) {
    return (
      <Page title="Compare">
        <Empty title="Choose two scans to compare">
          Open a scan. The links to compare are beside the other scans of its subject, and below the
          revisions of its report.
        </Empty>
      </Page>
    );
  }
  return <Comparison key={query.toString()} a={a} b={b} />;
}

function Comparison({ a, b }: { a: Shown; b: Shown }) {
  const [left, right] = [useScan(a.key), useScan(b.key)];
  const reports = [
    useReport(a.key, a.revision, Boolean(left.data?.revision)),
    useReport(b.key, b.revision, Boolean(right.data?.revision)),
  ] as const;
  const alignment = alignmentOf(reports[0].data, reports[1].data);
  const [cursors, setCursors] = useState<[Vec3 | null, Vec3 | null]>([null, null]);
  const [isLinked, setLinked] = useState(true);
  /** From the place in the left image to that in the right one, after their alignment, mm. */
  const [offset, setOffset] = useState<Vec3>([0, 0, 0]);

  function move(side: 0 | 1, mm: Vec3) {
    const other =
      side === 0 ? plus(alignment.there(mm), offset) : alignment.back(minus(mm, offset));
    if (isLinked) setCursors(side === 0 ? [mm, other] : [other, mm]);
    else setCursors(([one, two]) => (side === 0 ? [mm, two] : [one, mm]));
  }

  function link(linked: boolean) {
    setLinked(linked);
    const [one, two] = cursors;
    if (linked && one && two) setOffset(minus(two, alignment.there(one)));
  }

  const subjects = [left.data?.subject, right.data?.subject];
  const areTwo = a.key !== b.key;
  const isOther =
    areTwo && left.data && right.data && (!subjects[0] || subjects[0] !== subjects[1]);
  return (
    <Page title={areTwo ? "Compare two scans" : "Compare two revisions"}>
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
          <Button onClick={() => setOffset([0, 0, 0])}>
            {isAligned(alignment) ? "Use the alignment again" : "Use the same coordinates again"}
          </Button>
        )}
        {areTwo && (
          <span className="muted">
            {isAligned(alignment)
              ? "The report aligned the two images. If they do not match, "
              : "If the head lies differently in the two images, "}
            switch this off, place both crosshairs on the same spot, and switch it on again.
          </span>
        )}
      </div>
      <div className="compare-columns">
        <Side
          found={left}
          revision={a.revision}
          cursor={cursors[0]}
          onCursor={(mm) => move(0, mm)}
        />
        <Side
          found={right}
          revision={b.revision}
          cursor={cursors[1]}
          onCursor={(mm) => move(1, mm)}
        />
      </div>
    </Page>
  );
}

interface SideProps {
  found: ReturnType<typeof useScan>;
  revision: number | null;
  cursor: Vec3 | null;
  onCursor(mm: Vec3): void;
}

function Side({ found, ...rest }: SideProps) {
  if (found.error) return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="the scan" />;
  return <LoadedSide scan={found.data} {...rest} />;
}

interface LoadedSideProps extends Omit<SideProps, "found"> {
  scan: Scan;
}

function LoadedSide({ scan, revision, cursor, onCursor }: LoadedSideProps) {
  const report = useReport(scan.key, revision, scan.revision !== null);
  return (
    <div className="stack">
      <h2>
        <Link to={`/scans/${encodeURIComponent(scan.key)}`}>
          Scan {scan.scan_id.slice(0, 8)}
          {scan.session && `, ${scan.session}`}
          {contrastOf(scan) && `, ${contrastOf(scan)}`}
          {revision !== null && `, revision ${revision}`}
        </Link>
      </h2>
      <p className="muted">
        Received <Time at={scan.received_at} form="short" />
      </p>
      {report.error && <Problem problem={report.error} onRetry={() => void report.refetch()} />}
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
