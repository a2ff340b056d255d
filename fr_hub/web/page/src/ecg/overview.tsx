import { useLayoutEffect, useRef } from "react";

import { useIsDark } from "../app/theme";
import { drawnColour } from "../parts/drawn-colour";
import { CONTEXT, timeText } from "./paper";
import type { Samples } from "./samples";

const HEIGHT = 48;
const KEY_SHARE = 0.02;

interface Props {
  samples: Samples;
  version: number;
  /** Position of the lead that is shown. */
  lead: number;
  duration: number;
  width: number;
  start: number;
  seconds: number;
  onGoTo: (start: number) => void;
}

/** The whole recording in a strip, with a frame around what is shown above it. */
export function Overview(props: Props) {
  const { samples, version, lead, duration, width, start, seconds, onGoTo } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useIsDark();

  useLayoutEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext("2d", CONTEXT);
    if (!element || !ctx) return;
    const ratio = window.devicePixelRatio || 1;
    element.width = Math.round(width * ratio);
    element.height = Math.round(HEIGHT * ratio);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, HEIGHT);
    ctx.strokeStyle = drawnColour(element.parentElement ?? element, "--ecg-trace");
    drawStrip(ctx, samples, lead, width);
    samples.read();
  }, [samples, version, lead, width, dark]);

  const left = (start / duration) * width;
  const frame = Math.max(4, Math.min(width, (seconds / duration) * width));

  function goTo(event: React.PointerEvent<HTMLDivElement>) {
    if (event.buttons !== 1) return;
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    onGoTo((x / width) * duration - seconds / 2);
  }

  function onKeyDown(event: React.KeyboardEvent) {
    const step = Math.max(seconds / 2, KEY_SHARE * duration);
    const to: Record<string, number> = {
      ...{ ArrowLeft: start - step, ArrowRight: start + step, Home: 0, End: duration },
    };
    const place = to[event.key];
    if (place === undefined) return;
    event.preventDefault();
    onGoTo(place);
  }

  return (
    <div
      className="ecg-overview"
      role="slider"
      tabIndex={0}
      aria-label="Position in the recording"
      aria-valuemin={0}
      aria-valuemax={Math.round(duration)}
      aria-valuenow={Math.round(start)}
      aria-valuetext={timeText(start)}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        goTo(event);
      }}
      onPointerMove={goTo}
      onKeyDown={onKeyDown}
    >
      <canvas ref={canvas} style={{ width, height: HEIGHT }} />
      <span className="ecg-frame" style={{ left, width: frame }} />
    </div>
  );
}

function drawStrip(
  ctx: CanvasRenderingContext2D,
  samples: Samples,
  lead: number,
  width: number,
): void {
  const pxPerSample = width / samples.count;
  const tiles = samples.between(samples.stepFor(1 / pxPerSample), 0, samples.count - 1);
  let [low, high] = [Infinity, -Infinity];
  // First the range of the values, then the strip.
  for (const isDrawing of [false, true]) {
    if (isDrawing) ctx.beginPath();
    for (const { step, first, columns, values } of tiles) {
      const size = step === 1 ? 1 : 2;
      for (let column = 0; column < columns; column++) {
        const at = (lead * columns + column) * size;
        const least = values[at] ?? NaN;
        const most = values[at + size - 1] ?? NaN;
        if (Number.isNaN(least)) continue;
        if (isDrawing) {
          const x = (first + column + 0.5) * step * pxPerSample;
          const y = (value: number) =>
            HEIGHT - 3 - ((value - low) / (high - low || 1)) * (HEIGHT - 6);
          ctx.moveTo(x, y(least) + 0.5);
          ctx.lineTo(x, y(most) - 0.5);
        } else {
          low = Math.min(low, least);
          high = Math.max(high, most);
        }
      }
    }
  }
  ctx.lineWidth = 1;
  ctx.stroke();
}
