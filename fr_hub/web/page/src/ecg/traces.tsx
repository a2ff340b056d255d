import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { useIsDark } from "../app/theme";
import { Button } from "../parts/button";
import { drawnColour } from "../parts/drawn-colour";
import { Overview } from "./overview";
import {
  type Colours,
  CONTEXT,
  draw,
  heightOf,
  PX_PER_MM,
  type Scene,
  timeText,
  type View,
} from "./paper";
import { Samples } from "./samples";

const PAPER_MM_S = 25;
const FASTEST_MM_S = 200;
const AMPLITUDES = [5, 10, 20];
const PAN = 0.2;

/** What was recorded. */
export interface Recording {
  /** Samples a second; null: not known. */
  rate: number | null;
  leads: readonly string[];
  /** Of the samples. */
  units: string;
  /** Samples of each lead. */
  count: number;
}

interface Props {
  title: string;
  /** Of the samples. */
  url: string;
  recording: Recording;
  /** The times of the R peaks, s. */
  peaks: Float64Array;
}

/** The leads on millimetre paper: dragged to scroll, zoomed from a beat to the whole recording. */
export function Traces({ title, url, recording, peaks }: Props) {
  const { leads, units, count } = recording;
  const rate = recording.rate ?? 1;
  const isTimed = recording.rate !== null;
  const duration = count / rate;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [view, setView] = useState<View | null>(null);
  const [mmPerUnit, setMmPerUnit] = useState(10);
  const isDark = useIsDark();
  const colours = useRef<{ isDark: boolean; colours: Colours } | null>(null);
  const samples = useMemo(() => new Samples(url, count, leads.length), [url, count, leads.length]);
  const version = useSyncExternalStore(samples.subscribe, () => samples.version);

  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element) return;
    const resized = new ResizeObserver(() => setWidth(element.clientWidth));
    resized.observe(element);
    return () => resized.disconnect();
  }, []);

  const whole = width / Math.max(duration, 1 / rate);
  // A short recording does not fill the paper.
  const paper = isTimed ? PAPER_MM_S * PX_PER_MM : whole;
  const limits = { coarsest: Math.min(whole, paper), width, duration, rate };
  const shown = limited(view ?? { start: 0, pxPerS: paper }, limits);
  const seconds = width / shown.pxPerS;

  // After each render: whatever causes one may change the drawing.
  useLayoutEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext("2d", CONTEXT);
    if (!element || !ctx || !width) return;
    const ratio = window.devicePixelRatio || 1;
    const redraw = () => {
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      // To read them costs a layout of the page: once, not for each drawing.
      if (colours.current?.isDark !== isDark) {
        colours.current = { isDark, colours: coloursOf(element) };
      }
      const scene: Scene = {
        ...{ samples, leads, rate, isTimed, mmPerUnit, peaks },
        colours: colours.current.colours,
      };
      draw(ctx, width, scene, { start: shown.start, pxPerS: shown.pxPerS });
      samples.read();
    };
    const columns = Math.round(width * ratio);
    const rows = Math.round(heightOf(leads.length) * ratio);
    if (element.width !== columns || element.height !== rows) {
      // At once: the browser would show the old drawing, stretched to the new size.
      element.width = columns;
      element.height = rows;
      redraw();
      return;
    }
    const frame = requestAnimationFrame(redraw);
    return () => cancelAnimationFrame(frame);
  });

  /** Zoom, with the time at a place of the drawing kept there. */
  function zoom(factor: number, at = width / 2) {
    const time = shown.start + at / shown.pxPerS;
    const { pxPerS } = limited({ start: 0, pxPerS: shown.pxPerS * factor }, limits);
    setView({ start: time - at / pxPerS, pxPerS });
  }

  function goTo(start: number) {
    setView({ start, pxPerS: shown.pxPerS });
  }

  const gestures = useGestures(canvas, shown, goTo, zoom);

  function onKeyDown(event: React.KeyboardEvent) {
    const keys: Record<string, () => void> = {
      ArrowLeft: () => goTo(shown.start - PAN * seconds),
      ArrowRight: () => goTo(shown.start + PAN * seconds),
      PageUp: () => goTo(shown.start - seconds),
      PageDown: () => goTo(shown.start + seconds),
      Home: () => goTo(0),
      End: () => goTo(duration),
      "+": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
    };
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  const speed = shown.pxPerS / PX_PER_MM;
  return (
    <section className="card stack" aria-labelledby="traces">
      <div className="row spread">
        <h2 id="traces">Traces</h2>
        <span className="muted">
          {isTimed
            ? `${timeText(Math.max(0, shown.start))} of ${timeText(duration)}, ${speedText(speed)}`
            : `${count} samples at an unknown rate`}
          {`, ${mmPerUnit} mm/${units}`}
        </span>
      </div>
      <div className="row">
        {isTimed && (
          <Button onClick={() => setView({ start: shown.start, pxPerS: paper })}>
            {`${PAPER_MM_S} mm/s`}
          </Button>
        )}
        <Button onClick={() => setView({ start: 0, pxPerS: whole })}>Whole recording</Button>
        <Button aria-label="Zoom out" onClick={() => zoom(0.5)}>
          −
        </Button>
        <Button aria-label="Zoom in" onClick={() => zoom(2)}>
          +
        </Button>
        <label className="row">
          Amplitude
          <select
            className="input narrow"
            value={mmPerUnit}
            onChange={(event) => setMmPerUnit(Number(event.target.value))}
          >
            {AMPLITUDES.map((mm) => (
              <option key={mm} value={mm}>{`${mm} mm/${units}`}</option>
            ))}
          </select>
        </label>
      </div>
      <div
        className="ecg-paper"
        role="application"
        tabIndex={0}
        aria-label={`${title}: ${leads.length === 1 ? "1 lead" : `${leads.length} leads`}. Arrow keys scroll, + and - zoom.`}
        onKeyDown={onKeyDown}
      >
        <canvas
          ref={canvas}
          style={{ width, height: heightOf(leads.length) }}
          data-start={shown.start.toFixed(3)}
          data-seconds={seconds.toFixed(3)}
          {...gestures}
        />
        {version === 0 && (
          <span className="ecg-loading" role="status">
            Loading the samples
          </span>
        )}
      </div>
      {width > 0 && (
        <Overview
          samples={samples}
          version={version}
          lead={Math.max(0, leads.indexOf("II"))}
          duration={duration}
          width={width}
          start={shown.start}
          seconds={seconds}
          onGoTo={goTo}
        />
      )}
      {samples.isFailing && <p role="status">Parts of the recording cannot be read now.</p>}
    </section>
  );
}

interface Limits {
  /** The least px of a second. */
  coarsest: number;
  width: number;
  duration: number;
  rate: number;
}

/** The next view that there can be: not beyond the ends, not finer or coarser than makes sense. */
function limited(view: View, { coarsest, width, duration, rate }: Limits): View {
  const finest = Math.max(FASTEST_MM_S * PX_PER_MM, (width * rate) / 8);
  const pxPerS = Math.min(finest, Math.max(coarsest, view.pxPerS));
  const last = Math.max(0, duration - width / pxPerS);
  return { start: Math.min(Math.max(0, view.start), last), pxPerS };
}

function speedText(mmPerS: number): string {
  return `${mmPerS >= 1 ? Number(mmPerS.toPrecision(3)) : mmPerS.toPrecision(1)} mm/s`;
}

function coloursOf(element: HTMLElement): Colours {
  const place = element.parentElement ?? element;
  const colour = (name: string) => drawnColour(place, name);
  return {
    paper: colour("--ecg-paper"),
    fine: colour("--ecg-fine"),
    bold: colour("--ecg-bold"),
    trace: colour("--ecg-trace"),
    peak: colour("--ecg-peak"),
    text: colour("--text"),
  };
}

/** Dragging scrolls; a wheel scrolls, too, and zooms with Ctrl; two fingers zoom. */
function useGestures(
  canvas: React.RefObject<HTMLCanvasElement | null>,
  view: View,
  goTo: (start: number) => void,
  zoom: (factor: number, at?: number) => void,
) {
  const pointers = useRef(new Map<number, number>());
  const latest = useRef({ view, goTo, zoom });
  useEffect(() => {
    latest.current = { view, goTo, zoom };
  });

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    function onWheel(event: WheelEvent) {
      const { view: now, goTo: go, zoom: scale } = latest.current;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        scale(Math.exp(-event.deltaY / 300), event.offsetX);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        go(now.start + (event.deltaX || event.deltaY) / now.pxPerS);
      }
    }
    // React's are passive, so that they could not keep the page from scrolling.
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [canvas]);

  function onPointerDown(event: React.PointerEvent<HTMLCanvasElement>) {
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, event.clientX);
  }

  function onPointerMove(event: React.PointerEvent<HTMLCanvasElement>) {
    const before = pointers.current.get(event.pointerId);
    if (before === undefined) return;
    const others = [...pointers.current].filter(([id]) => id !== event.pointerId);
    pointers.current.set(event.pointerId, event.clientX);
    const other = others[0]?.[1];
    if (other === undefined) goTo(view.start - (event.clientX - before) / view.pxPerS);
    else {
      const left = event.currentTarget.getBoundingClientRect().left;
      const was = Math.max(20, Math.abs(before - other));
      zoom(Math.max(20, Math.abs(event.clientX - other)) / was, (event.clientX + other) / 2 - left);
    }
  }

  function onPointerEnd(event: React.PointerEvent<HTMLCanvasElement>) {
    pointers.current.delete(event.pointerId);
  }

  return { onPointerDown, onPointerMove, onPointerUp: onPointerEnd, onPointerCancel: onPointerEnd };
}
