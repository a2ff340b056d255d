import { useMemo, useState } from "react";

import { Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { Problem } from "../parts/problem";
import { KINDS, seriesOf, whatOf } from "./kinds";
import { type Measurement, type Trend, useMeasurements, useTrend } from "./queries";
import { TrendChart } from "./trend-chart";

/** What was measured of a patient, over time. */
export function Trends({ patient }: { patient: string }) {
  const recent = useMeasurements(patient, null);
  const choices = choicesOf(recent.data?.pages.flatMap((page) => page.items) ?? []);
  const [chosen, setChosen] = useState<string | null>(null);
  const code = chosen ?? choices[0]?.code ?? null;
  const trend = useTrend(patient, code);

  if (recent.data && choices.length === 0) {
    return <p className="muted">Charts appear here when there are measurements.</p>;
  }
  return (
    <div className="card stack">
      <Field label="Measurement">
        {(props) => (
          <select {...props} value={code ?? ""} onChange={(event) => setChosen(event.target.value)}>
            {choices.map((one) => (
              <option key={one.code} value={one.code}>
                {one.label}
              </option>
            ))}
          </select>
        )}
      </Field>
      {trend.isError && <Problem problem={trend.error} onRetry={() => void trend.refetch()} />}
      {trend.data ? <Charts trend={trend.data} /> : <Loading />}
    </div>
  );
}

function Charts({ trend }: { trend: Trend }) {
  const units = useMemo(() => {
    const found = new Set(trend.series.map((one) => one.unit));
    return [...found].map(
      (unit) => [unit, trend.series.filter((one) => one.unit === unit)] as const,
    );
  }, [trend]);
  return units.map(([unit, series]) => <TrendChart key={unit} unit={unit} series={series} />);
}

/** The kinds that always have a chart, if they were measured, and codes of others. */
function choicesOf(measurements: Measurement[]): { code: string; label: string }[] {
  const found = new Map<string, string>();
  for (const one of measurements) {
    const code = seriesOf(one);
    if (code && !found.has(code)) found.set(code, whatOf(one));
  }
  const order = Object.values(KINDS).map((kind) => kind.label);
  const place = (label: string) => (order.includes(label) ? order.indexOf(label) : order.length);
  return [...found]
    .map(([code, label]) => ({ code, label }))
    .sort((a, b) => place(a.label) - place(b.label) || a.label.localeCompare(b.label));
}
