import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "react";
import uPlot from "uplot";

import { useIsDark } from "../app/theme";
import { drawnColour } from "./drawn-colour";

/** The colours of the theme that the page has now. */
export interface PlotTheme {
  colour(name: string): string;
  /** What both axes share. */
  axis: Pick<uPlot.Axis, "stroke" | "grid">;
}

interface Props {
  className: string;
  /** px. */
  height: number;
  data: uPlot.AlignedData;
  /** Of the chart. Another function, as other data, draws it anew. */
  options: (theme: PlotTheme) => Omit<uPlot.Options, "width" | "height">;
}

/** A chart as wide as its place. Screen readers skip it: say beside it what it shows. */
export function Plot({ className, height, data, options }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const dark = useIsDark(); // a canvas keeps the colours it was drawn with

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const colour = (name: string) => drawnColour(element, name);
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 } };
    const size = () => ({ width: element.clientWidth, height });
    const chart = new uPlot({ ...options({ colour, axis }), ...size() }, data, element);
    const resized = new ResizeObserver(() => chart.setSize(size()));
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [height, data, options, dark]);

  return <div ref={place} className={className} aria-hidden="true" />;
}
