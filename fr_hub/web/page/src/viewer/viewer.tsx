import "./viewer.css";

import { useMemo, useRef, useState } from "react";

import { Controls } from "./controls";
import type { Vec3 } from "./geometry";
import { actionOf, ZOOM_MAX, ZOOM_MIN } from "./keys";
import { OverlayControls } from "./overlay-controls";
import type { OverlaySource } from "./overlays";
import type { Convention } from "./planes";
import { Readout } from "./readout";
import type { View } from "./scene";
import { Stage } from "./stage";
import { type ImageSource, useImage, finestLevel } from "./use-image";
import { useConvention } from "./use-convention";
import { useOverlays } from "./use-overlays";
import { middleOf, type Range } from "./volume";
import { graphics } from "./webgl";
import { ViewerMessages } from "./messages";

export interface ViewerProps {
  /** Names the image for screen readers. */
  title: string;
  /** Keep it the same object while the image is the same. */
  source: ImageSource;
  overlays: OverlaySource[];
  /** The place under the crosshair, mm; null: the middle. */
  cursor: Vec3 | null;
  onCursor(mm: Vec3): void;
  /** What to know about the sides of this image. */
  caution?: string | null;
}

/** Shows a volume: axial, coronal, sagittal and in 3-D, or in slices where WebGL 2 is missing.
 *
 * Loads a coarse level first. All memory is freed when it is unmounted.
 */
export function Viewer({ title, source, overlays, cursor, onCursor, caution }: ViewerProps) {
  const able = graphics();
  const [attempt, setAttempt] = useState(0);
  const [glLost, setGlLost] = useState(false);
  const [inSlices, setInSlices] = useState(false);
  const withGl = able.webgl && !glLost && !inSlices;
  const finest = withGl ? finestLevel(source.shape, able.voxelsMax, able.axisMax) : 0;
  const image = useImage(source, finest, attempt);
  const { volume, level } = image;
  const labels = useOverlays(overlays, volume !== null, 2 ** finest);
  const [view, setView] = useState<View>("all");
  const [zoom, setZoom] = useState(1);
  const [chosen, setChosen] = useState<Range | null>(null);
  const [convention, setConvention] = useConvention();
  const turn = useRef<((azimuth: number, elevation: number) => void) | null>(null);
  const middle = useMemo(() => (volume ? middleOf(volume) : null), [volume]);
  const at = cursor ?? middle;
  const range = chosen ?? volume?.usual ?? { low: 0, high: 1 };

  function pressed(event: React.KeyboardEvent) {
    // NiiVue has other keys on its canvas; ours are the same for all ways of drawing.
    event.stopPropagation();
    if (!volume || !at || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = actionOf(event.key, view, volume, at, convention);
    if (!action) return;
    event.preventDefault();
    if (action.kind === "move") onCursor(action.to);
    if (action.kind === "turn") turn.current?.(action.azimuth, action.elevation);
    if (action.kind === "reset") setZoom(1);
    if (action.kind === "zoom") setZoom(limited(zoom * action.factor));
  }

  return (
    <section className="viewer" aria-label={title}>
      <div
        className="viewer-stage"
        role="application"
        tabIndex={0}
        aria-label={`${title}. Arrow keys move the crosshair, page up and page down change the slice, plus and minus zoom.`}
        aria-busy={image.progress !== null}
        data-level={volume ? level : undefined}
        onKeyDownCapture={pressed}
        onKeyUpCapture={(event) => event.stopPropagation()}
      >
        <Stage
          volume={volume}
          overlays={labels.drawn}
          cursor={at}
          range={range}
          zoom={zoom}
          view={view}
          convention={convention}
          withGl={withGl}
          onCursor={onCursor}
          onRange={setChosen}
          onLost={() => setGlLost(true)}
          onTurn={(turning) => {
            turn.current = turning;
          }}
        />
        {image.progress !== null && (
          <progress
            className="viewer-progress"
            aria-label="Loading the image"
            value={image.progress}
          />
        )}
      </div>
      <ViewerMessages
        image={image}
        caution={caution ?? null}
        able={able}
        glLost={glLost}
        inSlices={inSlices}
        finest={finest}
        onRetry={() => setAttempt(attempt + 1)}
        onSlices={setInSlices}
      />
      {volume && at && (
        <>
          <Readout
            volume={volume}
            level={level}
            shape={source.shape}
            cursor={at}
            overlays={labels.drawn}
            sources={overlays}
          />
          <Controls
            volume={volume}
            view={view}
            has3d={withGl}
            range={range}
            zoom={zoom}
            convention={convention}
            onView={setView}
            onRange={setChosen}
            onZoom={(to) => setZoom(limited(to))}
            onConvention={(to: Convention) => setConvention(to)}
          />
          <OverlayControls states={labels.states} />
        </>
      )}
    </section>
  );
}

function limited(zoom: number): number {
  return Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, zoom));
}
