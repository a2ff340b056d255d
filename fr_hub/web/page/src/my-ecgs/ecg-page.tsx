import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { EcgParts } from "../ecg/ecg-parts";
import { Button } from "../parts/button";
import { Loading } from "../parts/empty";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StateTag, VerdictTag } from "../parts/tag";
import { Time } from "../parts/time";
import { AboutAnalyzer } from "../scan/about-analyzer";
import { Quality } from "../scan/quality";
import { EraseEcg } from "./erase-ecg";
import { type Ecg, type Insights, useEcg, useInsights } from "./queries";

/** An ECG of the user's own: its traces, and what was found in it. */
export function Component() {
  const { id = "" } = useParams();
  const found = useEcg(id);
  const insights = useInsights(id, found.data?.state === "done");
  const [erasing, setErasing] = useState(false);
  const navigate = useNavigate();
  const title = `ECG ${id.slice(0, 8)}`;
  if (!found.data) {
    return (
      <Page title={title}>
        {found.error ? (
          <Problem problem={found.error} onRetry={() => void found.refetch()} />
        ) : (
          <Loading what="the ECG" />
        )}
      </Page>
    );
  }
  const ecg = found.data;
  const isGone = ecg.state === "erased" || ecg.state === "purged";
  return (
    <Page
      title={title}
      actions={
        !isGone && (
          <Button kind="danger" onClick={() => setErasing(true)}>
            Erase
          </Button>
        )
      }
    >
      <div className="row">
        <StateTag state={ecg.state} />
        <VerdictTag verdict={ecg.verdict} />
        <span className="muted">
          <Time at={ecg.received_at} />
        </span>
      </div>
      <Advice ecg={ecg} />
      {insights.error && (
        <Problem problem={insights.error} onRetry={() => void insights.refetch()} />
      )}
      {!isGone && <Body ecg={ecg} insights={insights.data ?? null} />}
      {erasing && (
        <EraseEcg
          id={id}
          onClose={() => setErasing(false)}
          onErased={() => void navigate("/my-ecgs")}
        />
      )}
    </Page>
  );
}

function Body({ ecg, insights }: { ecg: Ecg; insights: Insights | null }) {
  const { sampling_rate_hz, leads, units, samples } = ecg;
  return (
    <>
      {leads.length > 0 && (
        <EcgParts
          title="ECG"
          url={`/api/v1/ecgs/${ecg.id}/samples`}
          recording={{ rate: sampling_rate_hz, leads, units: units ?? "", count: samples ?? 0 }}
          findings={insights?.findings ?? null}
        />
      )}
      {insights && <Quality findings={insights.findings} />}
      {insights && <About insights={insights} />}
    </>
  );
}

/** Who found it, and what the method cannot do. */
function About({ insights }: { insights: Insights }) {
  const { findings, analyzer, analysed_at } = insights;
  const limitations = "limitations" in findings ? (findings.limitations as string[]) : [];
  return (
    <section className="card stack" aria-labelledby="about-analysis">
      <h2 id="about-analysis">About this analysis</h2>
      <p>
        {`${analyzer.name} ${analyzer.version}, `}
        <Time at={analysed_at} />
      </p>
      {limitations.length > 0 && (
        <ul className="plain-list">
          {limitations.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      )}
      <AboutAnalyzer name={analyzer.name} />
      <p className="muted">
        Research software; not a medical device; not for diagnosis. Show the recording to a
        physician if you are worried.
      </p>
    </section>
  );
}

function Advice({ ecg }: { ecg: Ecg }) {
  switch (ecg.state) {
    case "waiting":
    case "analysing":
      return (
        <Note>
          The ECG is stored. Its findings appear here as soon as it is analysed.
          {ecg.cause && <p>The last attempt ended with: {ecg.cause}</p>}
        </Note>
      );
    case "failed":
      return (
        <Note tone="bad">
          <strong>The analysis failed</strong>
          <p>{ecg.cause ?? "The cause is not known; ask an administrator."}</p>
        </Note>
      );
    case "erased":
      return (
        <Note tone="warn">
          The ECG and its report were erased, for good. The same recording is refused if it is sent
          again.
        </Note>
      );
    case "purged":
      return <Note tone="warn">The ECG and its report were removed after the retention time.</Note>;
    default:
      return null;
  }
}
