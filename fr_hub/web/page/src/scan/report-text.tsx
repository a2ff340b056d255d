import { Loading } from "../parts/empty";
import { Problem } from "../parts/problem";
import { AboutAnalyzer } from "./about-analyzer";
import { type Scan, useReportText } from "./scan-api";

interface ReportTextProps {
  scan: Scan;
  revision: number | null;
  /** The analyzer that made the report. */
  analyzer: string;
}

/** The report as plain text, and where its limits are described in full. */
export function ReportText({ scan, revision, analyzer }: ReportTextProps) {
  const text = useReportText(scan.key, revision);
  return (
    <section className="card stack" aria-labelledby="report">
      <h2 id="report">Report</h2>
      {text.error && <Problem problem={text.error} onRetry={() => void text.refetch()} />}
      {text.isPending && <Loading what="the report" />}
      {text.data !== undefined && (
        <pre className="report-text" tabIndex={0} aria-labelledby="report">
          {text.data}
        </pre>
      )}
      <AboutAnalyzer name={analyzer} />
    </section>
  );
}
