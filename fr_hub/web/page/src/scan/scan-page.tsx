import "./scan.css";

import { Suspense, useEffect, useRef, useState } from "react";
import { useParams } from "react-router";

import { Loading } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StateTag, VerdictTag } from "../parts/tag";
import type { Vec3 } from "../viewer/geometry";
import { Actions } from "./actions";
import { Downloads } from "./downloads";
import { Facts } from "./facts";
import { FollowUpCard } from "./follow-up";
import { Lesions } from "./lesions";
import { OtherScans } from "./other-scans";
import { Quality } from "./quality";
import { ReportText } from "./report-text";
import { Revisions } from "./revisions";
import { brainOf, type Report, type Scan, useReport, useScan } from "./scan-api";
import { ScanState } from "./scan-state";
import { Timeline } from "./timeline";
import { hasView, ScanView } from "./views";
import { VolumeBars } from "./volume-bars";
import { WithT1Card } from "./with-t1";

/** A scan: its state, its image, its report and its history. */
export function Component() {
  const { key = "" } = useParams();
  // Another scan begins anew, with its own crosshair.
  return <ScanPage key={key} scanKey={key} />;
}

function ScanPage({ scanKey }: { scanKey: string }) {
  const found = useScan(scanKey);
  const title = `Scan ${scanKey.slice(0, 8)}`;
  if (!found.data) {
    return (
      <Page title={title}>
        {found.error ? (
          <Problem problem={found.error} onRetry={() => void found.refetch()} />
        ) : (
          <Loading what="the scan" />
        )}
      </Page>
    );
  }
  const scan = found.data;
  return (
    <Page title={title} actions={<Actions scan={scan} />}>
      <div className="row">
        <StateTag state={scan.state} />
        <VerdictTag verdict={scan.verdict} />
        <span className="muted wrap-anywhere">{scan.key}</span>
      </div>
      <ScanState scan={scan} />
      <ScanBody scan={scan} />
    </Page>
  );
}

function ScanBody({ scan }: { scan: Scan }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const hasReport = scan.revision !== null && !["erased", "purged"].includes(scan.state);
  const found = useReport(scan.key, chosen, hasReport);
  // What was read before an erasure is not shown any more.
  const report = hasReport ? found : null;
  const [cursor, setCursor] = useState<Vec3 | null>(null);
  const viewer = useRef<HTMLDivElement>(null);

  function goTo(mm: Vec3) {
    setCursor(mm);
    viewer.current?.scrollIntoView({ block: "nearest" });
  }

  return (
    <div className="scan-columns">
      <div className="stack">
        {hasView(scan) && (
          <div ref={viewer} className="scan-viewer">
            <Suspense fallback={<Loading what="the viewer" />}>
              <ScanView
                scan={scan}
                report={report?.data ?? null}
                cursor={cursor}
                onCursor={setCursor}
              />
            </Suspense>
          </div>
        )}
        {report?.data && <Lesions report={report.data} cursor={cursor} onShow={goTo} />}
        {report?.data && <FollowUpCard report={report.data} onShow={goTo} />}
        {report?.data && <WithT1Card report={report.data} />}
      </div>
      <div className="stack">
        {report?.error && <Problem problem={report.error} onRetry={() => void report.refetch()} />}
        {report?.data && <ReportParts scan={scan} report={report.data} chosen={chosen} />}
        {hasReport && <Revisions scan={scan} shown={chosen} onShow={setChosen} />}
        <Downloads scan={scan} report={report?.data ?? null} />
        <OtherScans scan={scan} />
        <Facts scan={scan} />
        <Timeline events={scan.history} />
      </div>
    </div>
  );
}

interface PartsProps {
  scan: Scan;
  report: Report;
  chosen: number | null;
}

function ReportParts({ scan, report, chosen }: PartsProps) {
  const first = useRef(true);
  const heading = useRef<HTMLDivElement>(null);
  const brain = brainOf(report.findings);
  useEffect(() => {
    if (!first.current) heading.current?.scrollIntoView({ block: "nearest" });
    first.current = false;
  }, [chosen]);
  return (
    <div ref={heading} className="stack">
      <Quality findings={report.findings} />
      {brain && <VolumeBars volumes={brain.volumes ?? null} />}
      <ReportText scan={scan} revision={chosen} analyzer={report.analyzer.name} />
    </div>
  );
}
