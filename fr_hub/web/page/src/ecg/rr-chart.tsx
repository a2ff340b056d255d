import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "react";
import uPlot from "uplot";

import { useIsDark } from "../app/theme";
import { drawnColour } from "../parts/drawn-colour";
import { timeText } from "./paper";

const HEIGHT = 200;
const GAP_S = 4;
const POINTS_MAX = 400;
const LINES_MAX = 5000;

/** The intervals between beats over time (tachogram). */
export function RrChart({ peaks, count }: { peaks: Float64Array; count: number }) {
  const place = useRef<HTMLDivElement>(null);
  const dark = useIsDark();

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const chart = new uPlot(options(element, peaks.length), series(peaks), element);
    const resized = new ResizeObserver(() => {
      chart.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [peaks, dark]);

  const isAll = peaks.length >= count;
  return (
    <section className="card stack" aria-labelledby="rr">
      <h2 id="rr">Intervals between beats</h2>
      <div ref={place} className="ecg-rr" aria-hidden="true" />
      <p className="muted">
        {`${count.toLocaleString("en-GB")} beats. Drag over a part to enlarge it; double-click to see all.`}
        {!isAll && ` The report lists the first ${peaks.length.toLocaleString("en-GB")}.`}
      </p>
    </section>
  );
}

/** Times of the beats, s, and the interval before each, ms; none after a gap. */
function series(peaks: Float64Array): uPlot.AlignedData {
  const times = Array.from(peaks.subarray(1));
  const intervals = times.map((time, n) => {
    const interval = time - (peaks[n] ?? 0);
    return interval < GAP_S ? interval * 1000 : null;
  });
  return [times, intervals];
}

function options(element: HTMLElement, count: number): uPlot.Options {
  const colour = (name: string) => drawnColour(element, name);
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { y: false },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((tick) => timeText(tick)), space: 70 },
      { ...axis, label: "ms", size: 60 },
    ],
    series: [
      {},
      {
        stroke: colour("--chart-1"),
        width: 1,
        // Of a day, a line would be one dark band: points show which intervals are frequent.
        ...(count > LINES_MAX
          ? {
              paths: () => null,
              points: { show: true, size: 1.5, width: 0, fill: colour("--chart-1") },
            }
          : { points: { show: count < POINTS_MAX, size: 4 } }),
      },
    ],
  };
}
