import { apply, inverse, orientationOf, type Vec3, voxelSizes } from "./geometry";
import type { Volume } from "./volume";

export type Plane = "axial" | "coronal" | "sagittal";

/** On which side of the picture the patient's left is. */
export type Convention = "radiological" | "neurological";

/** The directions of a plane: 0 right, 1 front, 2 head. */
const DIRECTIONS = {
  axial: { across: 0, up: 1, through: 2 },
  coronal: { across: 0, up: 2, through: 1 },
  sagittal: { across: 1, up: 2, through: 0 },
} as const;

const ENDS = [
  ["L", "R"],
  ["P", "A"],
  ["I", "S"],
] as const;

/** How a slice lies in its volume. */
export interface SliceLayout {
  /** Pixels. */
  width: number;
  height: number;
  /** Size of a pixel, mm. */
  pixel: [number, number];
  /** The voxel of the pixel at the top left, and the steps to the right and down. */
  start: Vec3;
  right: Vec3;
  down: Vec3;
  /** The voxel axis that runs through the slices, and their number. */
  axis: number;
  slices: number;
  /** Which slice this is, from 0, and which one of the way from foot, back or left. */
  index: number;
  rank: number;
  /** Letters at the left, right, top and bottom; none if the volume has no place in space. */
  marks: [string, string, string, string] | null;
}

/** The slice of a plane through a place. */
export function sliceThrough(
  volume: Volume,
  plane: Plane,
  mm: Vec3,
  convention: Convention,
): SliceLayout {
  const { across, up, through } = DIRECTIONS[plane];
  const { axis, flipped } = orientationOf(volume.affine);
  const sizes = voxelSizes(volume.affine);
  const [a, u, t] = [axis[across] ?? 0, axis[up] ?? 1, axis[through] ?? 2];
  const length = (n: number) => volume.shape[n] ?? 1;
  const mirrored = across === 0 && convention === "radiological";
  const start: Vec3 = [0, 0, 0];
  const right: Vec3 = [0, 0, 0];
  const down: Vec3 = [0, 0, 0];
  const backwards = flipped[across] !== mirrored;
  start[a] = backwards ? length(a) - 1 : 0;
  right[a] = backwards ? -1 : 1;
  start[u] = flipped[up] ? 0 : length(u) - 1;
  down[u] = flipped[up] ? 1 : -1;
  const back = inverse(volume.affine);
  const at = Math.round((back ? apply(back, mm) : mm)[t] ?? 0);
  const index = Math.min(length(t) - 1, Math.max(0, at));
  start[t] = index;
  const [left, other] = mirrored ? [...ENDS[across]].reverse() : ENDS[across];
  return {
    width: length(a),
    height: length(u),
    pixel: [sizes[a] ?? 1, sizes[u] ?? 1],
    start,
    right,
    down,
    axis: t,
    slices: length(t),
    index,
    rank: flipped[through] ? length(t) - 1 - index : index,
    marks: volume.placed ? [left ?? "", other ?? "", ENDS[up][1], ENDS[up][0]] : null,
  };
}

/** The place of a pixel, in mm. */
export function placeOf(volume: Volume, slice: SliceLayout, x: number, y: number): Vec3 {
  const voxel = slice.start.map(
    (from, n) => from + x * (slice.right[n] ?? 0) + y * (slice.down[n] ?? 0),
  );
  return apply(volume.affine, voxel as Vec3);
}

/** The pixel of a place, not rounded. */
export function pixelOf(volume: Volume, slice: SliceLayout, mm: Vec3): [number, number] {
  const back = inverse(volume.affine);
  const voxel = back ? apply(back, mm) : mm;
  const along = (step: Vec3) =>
    voxel.reduce((sum, index, n) => sum + (index - (slice.start[n] ?? 0)) * (step[n] ?? 0), 0);
  return [along(slice.right), along(slice.down)];
}

/** The place some voxels away: to the right of the picture, up, and towards the next slice. */
export function moved(
  volume: Volume,
  plane: Plane,
  mm: Vec3,
  convention: Convention,
  [right, up, through]: Vec3,
): Vec3 {
  const slice = sliceThrough(volume, plane, mm, convention);
  const back = inverse(volume.affine);
  const voxel = (back ? apply(back, mm) : mm).map(Math.round) as Vec3;
  const next = slice.rank === slice.index ? 1 : -1;
  const to = voxel.map((index, n) => {
    const step = right * (slice.right[n] ?? 0) - up * (slice.down[n] ?? 0);
    const further = n === slice.axis ? through * next : 0;
    return Math.min((volume.shape[n] ?? 1) - 1, Math.max(0, index + step + further));
  });
  return apply(volume.affine, to as Vec3);
}
