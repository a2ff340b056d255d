/** A measurement over time. */
import { useCallback, useMemo } from "react";
import type uPlot from "uplot";

import { Plot, type PlotTheme } from "../parts/plot";
import { unitName } from "./kinds";
import type { Trend } from "./queries";

const HEIGHT = 240;
const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4"];

type Series = Trend["series"][number];

/** All series of one unit in one chart: values of two units have no common axis. */
export function TrendChart({ unit, series }: { unit: string; series: Series[] }) {
  const data = useMemo(() => aligned(series), [series]);
  const options = useCallback((theme: PlotTheme) => optionsOf(theme, unit, series), [unit, series]);
  return (
    <figure className="trend">
      <Plot className="trend-plot" height={HEIGHT} data={data} options={options} />
      <figcaption>{series.map(described).join(" ")}</figcaption>
    </figure>
  );
}

/** What the chart shows, for those who do not see it. */
function described(one: Series): string {
  const first = one.points[0];
  const last = one.points.at(-1);
  if (!first || !last) return "";
  const name = one.code && /^[a-z]/.test(one.code) ? `${capital(one.code)}: ` : "";
  const least = Math.min(...one.points.map((point) => point.min));
  const greatest = Math.max(...one.points.map((point) => point.max));
  const unit = unitName(one.unit);
  const means = one.bucketed
    ? " Each point is the mean of a span of time."
    : one.points.length < one.count
      ? " Values of the same minute are one point, their mean."
      : "";
  const latest =
    last.min === last.max ? round(last.max) : `${round(last.min)} and ${round(last.max)}`;
  return `${name}${one.count} ${one.count === 1 ? "value" : "values"}, ${round(least)} to ${round(greatest)} ${unit}, last ${latest}.${means}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function aligned(series: Series[]): uPlot.AlignedData {
  const times = [...new Set(series.flatMap((one) => one.points.map((point) => at(point))))];
  times.sort((a, b) => a - b);
  const columns = series.map((one) => {
    const known = new Map(one.points.map((point) => [at(point), point.mean]));
    return times.map((time) => known.get(time) ?? null);
  });
  return [times, ...columns];
}

/** Seconds since 1970, in the middle of the point's span. */
function at(point: Series["points"][number]): number {
  return (Date.parse(point.start) + Date.parse(point.end)) / 2000;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** The words under the ticks, by the span that the ticks cover. */
function timesText(_: uPlot, ticks: number[]): string[] {
  const days = ((ticks.at(-1) ?? 0) - (ticks[0] ?? 0)) / 86_400;
  const form = days < 2 ? CLOCK : days < 400 ? DAY : YEAR;
  return ticks.map((tick) => form.format(new Date(tick * 1000)));
}

function optionsOf(
  { colour, axis }: PlotTheme,
  unit: string,
  series: Series[],
): Omit<uPlot.Options, "width" | "height"> {
  return {
    scales: { x: { time: true } },
    cursor: { y: false },
    axes: [
      { ...axis, values: timesText, space: 70 },
      { ...axis, label: unitName(unit), size: 60 },
    ],
    series: [
      {},
      ...series.map((one, number) => ({
        label: one.code && /^[a-z]/.test(one.code) ? capital(one.code) : unitName(unit) || "value",
        stroke: colour(COLOURS[number % COLOURS.length] ?? ""),
        width: 2,
        spanGaps: true,
        points: { show: one.points.length < 100, size: 6 },
      })),
    ],
  };
}
