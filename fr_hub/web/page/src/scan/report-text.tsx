import { Loading } from "../parts/empty";
import { Problem } from "../parts/problem";
import { type Scan, useReportText } from "./scan-api";

/** The report as plain text. */
export function ReportText({ scan, revision }: { scan: Scan; revision: number | null }) {
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
    </section>
  );
}
