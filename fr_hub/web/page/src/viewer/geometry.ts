/** Places in space: mm in RAS+ (towards the patient's right, front and head), and voxels. */

export type Vec3 = [number, number, number];
type Row = [number, number, number, number];
/** The upper three rows of a 4 x 4 matrix that maps voxel indices to mm. */
export type Affine = [Row, Row, Row];

export const IDENTITY: Affine = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
];

/** Apply an affine to a place. */
export function apply(affine: Affine, at: Vec3): Vec3 {
  const row = ([a, b, c, d]: Row) => a * at[0] + b * at[1] + c * at[2] + d;
  return [row(affine[0]), row(affine[1]), row(affine[2])];
}

/** The inverse of an affine; null if it has none. */
export function inverse(affine: Affine): Affine | null {
  const [[a, b, c, x], [d, e, f, y], [g, h, i, z]] = affine;
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  if (!Number.isFinite(determinant) || Math.abs(determinant) < 1e-12) return null;
  const m = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant)) as [Vec3, Vec3, Vec3];
  const row = ([p, q, r]: Vec3): Row => [p, q, r, -(p * x + q * y + r * z)];
  return [row(m[0]), row(m[1]), row(m[2])];
}

/** First `second`, then `first`. */
export function compose(first: Affine, second: Affine): Affine {
  const row = (r: Row): Row => {
    const at = (c: number) =>
      r[0] * (second[0][c] ?? 0) + r[1] * (second[1][c] ?? 0) + r[2] * (second[2][c] ?? 0);
    return [at(0), at(1), at(2), at(3) + r[3]];
  };
  return [row(first[0]), row(first[1]), row(first[2])];
}

/** Length of a step along each voxel axis, mm. */
export function voxelSizes(affine: Affine): Vec3 {
  const size = (c: 0 | 1 | 2) => Math.hypot(affine[0][c], affine[1][c], affine[2][c]);
  return [size(0), size(1), size(2)];
}

/** How the voxel axes lie in space: the voxel axis that runs closest to each of right, front and
 * head, and whether it runs that way or the opposite one. */
export interface Orientation {
  axis: Vec3;
  flipped: [boolean, boolean, boolean];
}

const ORDERS: Vec3[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** The orientation of the voxel axes: of all ways to match three axes to three directions the one
 * with the least turning. */
export function orientationOf(affine: Affine): Orientation {
  const sizes = voxelSizes(affine);
  const along = (direction: number, axis: number) =>
    (affine[direction]?.[axis] ?? 0) / (sizes[axis] || 1);
  let best: Vec3 = [0, 1, 2];
  let most = -1;
  for (const order of ORDERS) {
    const fit = order.reduce((sum, axis, direction) => sum + Math.abs(along(direction, axis)), 0);
    if (fit > most + 1e-9) [best, most] = [order, fit];
  }
  const flipped = best.map((axis, direction) => along(direction, axis) < 0);
  return { axis: best, flipped: flipped as [boolean, boolean, boolean] };
}

/** The geometry of the full image, from that of a coarser one whose voxels are means of blocks of
 * `2 ** level` voxels along each axis. */
export function fullAffine(coarse: Affine, level: number, shape: Vec3): Affine {
  const factors = shape.map((size) => Math.min(2 ** level, size)) as Vec3;
  const row = (r: Row): Row => {
    const steps = [r[0] / factors[0], r[1] / factors[1], r[2] / factors[2]] as Vec3;
    const shift = steps.reduce((sum, step, c) => sum + (step * ((factors[c] ?? 1) - 1)) / 2, 0);
    return [...steps, r[3] - shift];
  };
  return [row(coarse[0]), row(coarse[1]), row(coarse[2])];
}
