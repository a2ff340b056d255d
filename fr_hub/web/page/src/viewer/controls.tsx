import { useId } from "react";

import { Button } from "../parts/button";
import { Slider } from "../parts/slider";
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
        <legend className="visually-hidden">View</legend>
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
      <label className="slider">
        <span className="slider-label">Sides</span>
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
      <Slider
        label="Zoom"
        min={ZOOM_MIN}
        max={ZOOM_MAX}
        step={0.25}
        value={props.zoom}
        text={`${props.zoom.toFixed(2).replace(/\.?0+$/, "")}×`}
        onChange={props.onZoom}
      />
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
      <Slider
        label="Window"
        min={step}
        max={span}
        step={step}
        value={width}
        text={short(width)}
        onChange={(to) => change(to, middle)}
      />
      <Slider
        label="Level"
        min={low}
        max={high}
        step={step}
        value={middle}
        text={short(middle)}
        onChange={(to) => change(width, to)}
      />
      <Button title="Show the usual range of intensities" onClick={() => onRange(null)}>
        Reset window
      </Button>
    </>
  );
}
