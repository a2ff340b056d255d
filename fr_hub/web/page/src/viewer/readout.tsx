import { apply, fullAffine, inverse, type Vec3 } from "./geometry";
import type { Overlay } from "./overlays";
import type { OverlaySource } from "./overlays";
import { valueAt, type Volume } from "./volume";

interface ReadoutProps {
  volume: Volume;
  level: number;
  /** Of the full image. */
  shape: Vec3;
  cursor: Vec3;
  overlays: Overlay[];
  sources: OverlaySource[];
}

const SIDES = [
  ["R", "L"],
  ["A", "P"],
  ["S", "I"],
] as const;

/** Where the crosshair is, and what is there. */
export function Readout({ volume, level, shape, cursor, overlays, sources }: ReadoutProps) {
  const back = inverse(level ? fullAffine(volume.affine, level, shape) : volume.affine);
  const voxel = (back ? apply(back, cursor) : cursor).map(Math.round);
  const value = valueAt(volume, cursor);
  const labels = overlays.flatMap((overlay) => {
    const label = valueAt(overlay.volume, cursor);
    const source = sources.find(({ name }) => name === overlay.name);
    return label && source ? [meaningOf(source, label)] : [];
  });
  return (
    <dl className="viewer-readout" data-mm={cursor.map((mm) => mm.toFixed(2)).join(" ")}>
      {volume.placed && (
        <div>
          <dt>Position</dt>
          <dd>
            {cursor
              .map((mm, axis) => `${SIDES[axis]?.[mm < 0 ? 1 : 0]} ${Math.abs(mm).toFixed(1)}`)
              .join(", ")}{" "}
            mm
          </dd>
        </div>
      )}
      <div>
        <dt>Voxel</dt>
        <dd>{voxel.join(", ")}</dd>
      </div>
      <div>
        <dt>Value</dt>
        <dd>
          {value === null ? "outside the image" : shown(value)}
          {value !== null && level > 0 && " (mean of a block)"}
        </dd>
      </div>
      {labels.length > 0 && (
        <div>
          <dt>Here</dt>
          <dd>{labels.join(", ")}</dd>
        </div>
      )}
    </dl>
  );
}

function meaningOf(source: OverlaySource, label: number): string {
  const found = source.labels.find(({ value }) => value === label);
  if (found) return found.title.toLowerCase();
  return `${source.labels[0]?.title.toLowerCase() ?? source.title} ${label}`;
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
