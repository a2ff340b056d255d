import { useCallback, useMemo } from "react";
import type uPlot from "uplot";

import { Plot, type PlotTheme } from "../parts/plot";
import { timeText } from "./paper";

const HEIGHT = 200;
const GAP_S = 4;
const POINTS_MAX = 400;
const LINES_MAX = 5000;

/** The intervals between beats over time (tachogram). */
export function RrChart({ peaks, count }: { peaks: Float64Array; count: number }) {
  const data = useMemo(() => series(peaks), [peaks]);
  const options = useCallback((theme: PlotTheme) => optionsOf(theme, peaks.length), [peaks.length]);
  const isAll = peaks.length >= count;
  return (
    <section className="card stack" aria-labelledby="rr">
      <h2 id="rr">Intervals between beats</h2>
      <Plot className="ecg-rr" height={HEIGHT} data={data} options={options} />
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

function optionsOf(
  { colour, axis }: PlotTheme,
  count: number,
): Omit<uPlot.Options, "width" | "height"> {
  return {
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
        ...(count > LINES_MAX
          ? { paths: () => null, points: { show: false } }
          : { points: { show: count < POINTS_MAX, size: 4 } }),
      },
    ],
    // Of a day, a line would be one dark band: dots show which intervals are frequent.
    hooks: count > LINES_MAX ? { draw: [(plot) => drawDots(plot, colour("--chart-1"))] } : {},
  };
}

/** Draws a dot for each interval. Each pixel is drawn once: circles of a day take a canvas without
 * a GPU some 20 seconds. */
function drawDots(plot: uPlot, colour: string) {
  const { left, top, width, height } = plot.bbox;
  const [times, intervals] = plot.data;
  if (!intervals || width < 1 || height < 1) return;
  const [first, last] = plot.series[0]?.idxs ?? [0, times.length - 1];
  const isDot = new Uint8Array(width * height);
  for (let n = first; n <= last; n++) {
    const [time, interval] = [times[n], intervals[n]];
    if (time === undefined || typeof interval !== "number") continue;
    const x = Math.round(plot.valToPos(time, "x", true) - left);
    const y = Math.round(plot.valToPos(interval, "y", true) - top);
    if (x >= 0 && x < width && y >= 0 && y < height) isDot[x * height + y] = 1;
  }
  plot.ctx.fillStyle = colour;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const begin = y;
      while (y < height && isDot[x * height + y]) y++;
      if (y > begin) plot.ctx.fillRect(left + x, top + begin, 1.5, y - begin + 0.5);
    }
  }
}
