import { type Affine, apply, inverse, type Vec3 } from "./geometry";

export type Voxels = Uint8Array | Int16Array | Uint16Array | Float32Array;

/** Voxels that are in memory. */
export interface Volume {
  shape: Vec3;
  affine: Affine;
  /** Whether the file says where its voxels lie; if not, the affine is the identity. */
  placed: boolean;
  /** The first axis varies fastest. */
  voxels: Voxels;
  /** Most of the intensities lie between these. */
  usual: Range;
  /** All intensities lie between these. */
  all: Range;
}

/** From `low`, which is shown black, to `high`, which is shown white. */
export interface Range {
  low: number;
  high: number;
}

/** The voxel at a place, or null outside of the volume. */
export function voxelAt(shape: Vec3, affine: Affine, mm: Vec3): Vec3 | null {
  const back = inverse(affine);
  if (!back) return null;
  const voxel = apply(back, mm).map(Math.round) as Vec3;
  const inside = voxel.every((index, axis) => index >= 0 && index < (shape[axis] ?? 0));
  return inside ? voxel : null;
}

/** The value at a place; null outside of the volume. */
export function valueAt(volume: Volume, mm: Vec3): number | null {
  const voxel = voxelAt(volume.shape, volume.affine, mm);
  if (!voxel) return null;
  const [width, height] = volume.shape;
  return volume.voxels[voxel[0] + width * (voxel[1] + height * voxel[2])] ?? null;
}

/** The place in the middle of a volume. */
export function middleOf(volume: Volume): Vec3 {
  return apply(volume.affine, volume.shape.map((size) => Math.floor(size / 2)) as Vec3);
}
