import { useId } from "react";

import { ZOOM_MAX, ZOOM_MIN } from "./keys";
import type { Convention } from "./planes";
import type { View } from "./scene";
import type { Range, Volume } from "./volume";

const VIEWS: [View, string][] = [
  ["all", "All"],
  ["axial", "Axial"],
  ["coronal", "Coronal"],
  ["sagittal", "Sagittal"],
  ["3d", "3-D"],
];

interface ControlsProps {
  volume: Volume;
  view: View;
  /** Whether the 3-D picture can be drawn. */
  has3d: boolean;
  range: Range;
  zoom: number;
  convention: Convention;
  onView(view: View): void;
  /** null: back to the usual range. */
  onRange(range: Range | null): void;
  onZoom(zoom: number): void;
  onConvention(convention: Convention): void;
}

/** The controls of what is shown, and how. */
export function Controls(props: ControlsProps) {
  const { volume, view, has3d, convention } = props;
  const name = useId();
  return (
    <div className="viewer-controls">
      <fieldset className="viewer-views">
        <legend className="visually-hidden">What to show</legend>
        {VIEWS.filter(([one]) => has3d || one !== "3d").map(([one, title]) => (
          <label key={one}>
            <input
              type="radio"
              name={name}
              checked={view === one}
              onChange={() => props.onView(one)}
            />
            <span>{title}</span>
          </label>
        ))}
      </fieldset>
      <label className="viewer-control">
        <span>Sides</span>
        <select
          className="input"
          value={convention}
          disabled={!volume.placed}
          onChange={(event) => props.onConvention(event.target.value as Convention)}
        >
          <option value="radiological">Radiological: left is on the right</option>
          <option value="neurological">Neurological: left is on the left</option>
        </select>
      </label>
      <RangeControls {...props} />
      <label className="viewer-control">
        <span>Zoom</span>
        <input
          type="range"
          min={ZOOM_MIN}
          max={ZOOM_MAX}
          step={0.25}
          value={props.zoom}
          onChange={(event) => props.onZoom(Number(event.target.value))}
        />
        <output>{props.zoom.toFixed(2).replace(/\.?0+$/, "")}×</output>
      </label>
    </div>
  );
}

/** Window and level: the width and the middle of the range of intensities that is shown. */
function RangeControls({ volume, range, onRange }: ControlsProps) {
  const { low, high } = volume.all;
  const span = high - low || 1;
  const step = span > 500 ? 1 : span / 500;
  const [width, middle] = [range.high - range.low, (range.high + range.low) / 2];
  const change = (newWidth: number, newMiddle: number) => {
    const half = Math.max(newWidth, step) / 2;
    onRange({ low: newMiddle - half, high: newMiddle + half });
  };
  const short = (value: number) => (span > 50 ? value.toFixed(0) : value.toPrecision(3));
  return (
    <>
      <label className="viewer-control">
        <span>Window</span>
        <input
          type="range"
          min={step}
          max={span}
          step={step}
          value={width}
          onChange={(event) => change(Number(event.target.value), middle)}
        />
        <output>{short(width)}</output>
      </label>
      <label className="viewer-control">
        <span>Level</span>
        <input
          type="range"
          min={low}
          max={high}
          step={step}
          value={middle}
          onChange={(event) => change(width, Number(event.target.value))}
        />
        <output>{short(middle)}</output>
      </label>
      <button
        type="button"
        className="button viewer-reset"
        title="Show the usual range of intensities"
        onClick={() => onRange(null)}
      >
        Reset window
      </button>
    </>
  );
}
