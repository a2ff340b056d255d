import { VerdictTag } from "../parts/tag";
import { brainOf, type Findings } from "./scan-api";

const VERDICTS: Record<string, string> = {
  pass: "The scan is good enough for the analysis.",
  warn: "The scan was analysed, but for these reasons some results are less reliable.",
  fail: "The scan could not be analysed, so the report gives no measurements.",
};

/** How good the image is, and why. */
export function Quality({ findings }: { findings: Findings }) {
  const { quality } = findings;
  const brain = brainOf(findings)?.quality;
  const measured = [
    ["Noise", brain?.noise_percent],
    ["Intensity non-uniformity", brain?.inu_percent],
  ] as const;
  return (
    <section className="card stack" aria-labelledby="quality">
      <div className="row spread">
        <h2 id="quality">Quality</h2>
        <VerdictTag verdict={quality.verdict} />
      </div>
      <p>{VERDICTS[quality.verdict]}</p>
      {quality.reasons.length > 0 && (
        <ul className="plain-list">
          {quality.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <dl className="facts">
        {measured.map(
          ([title, percent]) =>
            typeof percent === "number" && (
              <div key={title} className="fact">
                <dt>{title}</dt>
                <dd>{percent.toFixed(1)} %</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}
