import { Slider } from "../parts/slider";
import type { OverlayState } from "./use-overlays";

/** Which overlays are shown, how strongly, and in which colours. */
export function OverlayControls({ states }: { states: OverlayState[] }) {
  if (!states.length) return null;
  return (
    <fieldset className="viewer-overlays">
      <legend>Overlays</legend>
      {states.map((state) => (
        <OverlayControl key={state.source.name} {...state} />
      ))}
    </fieldset>
  );
}

function OverlayControl({ source, look, loading, error, change }: OverlayState) {
  return (
    <div className="viewer-overlay">
      <label>
        <input
          type="checkbox"
          checked={look.shown}
          onChange={(event) => change({ shown: event.target.checked })}
        />
        <span>{source.title}</span>
      </label>
      <Slider
        label={`Opacity of ${source.title.toLowerCase()}`}
        hideLabel
        min={0.05}
        max={1}
        step={0.05}
        value={look.opacity}
        disabled={!look.shown}
        onChange={(opacity) => change({ opacity })}
      />
      <span className="viewer-colours">
        {look.labels.map((label, n) => (
          <label key={label.value} className="viewer-colour">
            <input
              type="color"
              value={label.colour}
              aria-label={`Colour of ${label.title.toLowerCase()}`}
              disabled={!look.shown}
              onChange={(event) => {
                const colour = event.target.value;
                const labels = look.labels.map((one, m) => (m === n ? { ...one, colour } : one));
                change({ labels });
              }}
            />
            <span>{label.title}</span>
          </label>
        ))}
      </span>
      <span className="viewer-overlay-state" role="status">
        {look.shown && loading && "Loading"}
        {look.shown && error}
      </span>
    </div>
  );
}
