import { useEffect, useRef } from "react";

import { Slider } from "../parts/slider";
import type { Vec3 } from "./geometry";
import type { Overlay } from "./overlays";
import { paintSlice } from "./paint";
import { type Convention, moved, pixelOf, placeOf, type Plane, sliceThrough } from "./planes";
import type { Range, Volume } from "./volume";

export interface FlatSliceProps {
  volume: Volume;
  overlays: Overlay[];
  plane: Plane;
  cursor: Vec3;
  range: Range;
  zoom: number;
  convention: Convention;
  onCursor(mm: Vec3): void;
}

const TITLES: Record<Plane, string> = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };

/** A slice of a volume on a canvas without WebGL, with a slider to move through the slices. */
export function FlatSlice(props: FlatSliceProps) {
  const { volume, overlays, plane, cursor, range, zoom, convention, onCursor } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const placed = useRef<Placed | null>(null);
  const slice = sliceThrough(volume, plane, cursor, convention);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => {
      placed.current = drawSlice(element, props);
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => observer.disconnect();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- these are all that is drawn
  }, [volume, overlays, plane, cursor, range, zoom, convention]);

  function pointed(event: React.PointerEvent<HTMLCanvasElement>) {
    if (!placed.current || !(event.buttons & 1)) return;
    const box = event.currentTarget.getBoundingClientRect();
    const { left, top, scaleX, scaleY } = placed.current;
    const clamp = (value: number, most: number) => Math.min(most - 1, Math.max(0, value));
    const x = clamp(Math.floor((event.clientX - box.left - left) / scaleX), slice.width);
    const y = clamp(Math.floor((event.clientY - box.top - top) / scaleY), slice.height);
    onCursor(placeOf(volume, slice, x, y));
  }

  function step(by: number) {
    onCursor(moved(volume, plane, cursor, convention, [0, 0, by]));
  }

  return (
    <div className="flat-slice">
      <canvas
        ref={canvas}
        data-plane={plane}
        role="img"
        aria-label={`${TITLES[plane]} slice ${slice.rank + 1} of ${slice.slices}`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          pointed(event);
        }}
        onPointerMove={pointed}
        onWheel={(event) => step(event.deltaY > 0 ? -1 : 1)}
      />
      <Slider
        label={TITLES[plane]}
        name={`${TITLES[plane]} slice`}
        min={0}
        max={slice.slices - 1}
        value={slice.rank}
        text={`${slice.rank + 1}/${slice.slices}`}
        onChange={(rank) => step(rank - slice.rank)}
      />
    </div>
  );
}

/** Where the picture lies on the canvas, in CSS pixels. */
interface Placed {
  left: number;
  top: number;
  scaleX: number;
  scaleY: number;
}

function drawSlice(element: HTMLCanvasElement, props: FlatSliceProps): Placed | null {
  const { volume, overlays, plane, cursor, range, zoom, convention } = props;
  const [width, height] = [element.clientWidth, element.clientHeight];
  const context = element.getContext("2d");
  if (!context || !width || !height) return null;
  const dense = window.devicePixelRatio || 1;
  element.width = Math.round(width * dense);
  element.height = Math.round(height * dense);
  context.scale(dense, dense);
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);

  const slice = sliceThrough(volume, plane, cursor, convention);
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [slice.width, slice.height];
  picture.getContext("2d")?.putImageData(paintSlice(volume, slice, range, overlays), 0, 0);

  const fit = Math.min(
    width / (slice.width * slice.pixel[0]),
    height / (slice.height * slice.pixel[1]),
  );
  const scaleX = fit * slice.pixel[0] * zoom;
  const scaleY = fit * slice.pixel[1] * zoom;
  const [x, y] = pixelOf(volume, slice, cursor);
  // The place under the crosshair stays where it is when the picture is magnified.
  const centred = (size: number, pixels: number, scale: number, at: number) =>
    (size - (pixels * scale) / zoom) / 2 + ((at + 0.5) * scale) / zoom - (at + 0.5) * scale;
  const left = centred(width, slice.width, scaleX, x);
  const top = centred(height, slice.height, scaleY, y);
  context.imageSmoothingEnabled = scaleX * dense < 3;
  context.drawImage(picture, left, top, slice.width * scaleX, slice.height * scaleY);

  const [crossX, crossY] = [left + (x + 0.5) * scaleX, top + (y + 0.5) * scaleY];
  context.fillStyle = "rgba(77, 217, 255, 0.8)";
  context.fillRect(0, crossY - 0.5, width, 1);
  context.fillRect(crossX - 0.5, 0, 1, height);
  if (slice.marks) drawMarks(context, slice.marks, width, height);
  return { left, top, scaleX, scaleY };
}

function drawMarks(
  context: CanvasRenderingContext2D,
  [left, right, top, bottom]: [string, string, string, string],
  width: number,
  height: number,
): void {
  context.fillStyle = "rgb(255, 217, 77)";
  context.font = "600 14px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.fillText(left, 10, height / 2);
  context.fillText(right, width - 10, height / 2);
  context.fillText(top, width / 2, 10);
  context.fillText(bottom, width / 2, height - 10);
}
