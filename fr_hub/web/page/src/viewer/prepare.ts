import { type Affine, apply, IDENTITY, type Vec3 } from "./geometry";
import type { NiftiHeader } from "./nifti";
import type { Range, Voxels } from "./volume";

/** A volume as a worker hands it over. */
export interface Prepared {
  shape: Vec3;
  affine: Affine;
  placed: boolean;
  voxels: Voxels;
  usual: Range;
  all: Range;
}

const SAMPLES = 200_000;

/** The voxels in a type that graphics cards take, with their usual and their whole range. Without
 * a copy where the file has such a type. */
export function prepare(header: NiftiHeader, bytes: Uint8Array): Prepared {
  const stored = storedVoxels(header.datatype, bytes);
  const scaled = header.slope !== 0 && (header.slope !== 1 || header.intercept !== 0);
  const voxels = scaled
    ? Float32Array.from(stored, (value) => value * header.slope + header.intercept)
    : convert(stored);
  return {
    shape: header.shape,
    affine: header.affine ?? IDENTITY,
    placed: header.affine !== null,
    voxels,
    ...rangesOf(voxels),
  };
}

type Stored = Voxels | Int8Array | Int32Array | Uint32Array | Float64Array;

function storedVoxels(datatype: number, bytes: Uint8Array): Stored {
  const buffer = bytes.buffer as ArrayBuffer;
  switch (datatype) {
    case 2:
      return new Uint8Array(buffer);
    case 256:
      return new Int8Array(buffer);
    case 4:
      return new Int16Array(buffer);
    case 512:
      return new Uint16Array(buffer);
    case 8:
      return new Int32Array(buffer);
    case 768:
      return new Uint32Array(buffer);
    case 16:
      return new Float32Array(buffer);
    default:
      return new Float64Array(buffer);
  }
}

function convert(stored: Stored): Voxels {
  if (stored instanceof Int8Array) return Int16Array.from(stored);
  if (
    stored instanceof Int32Array ||
    stored instanceof Uint32Array ||
    stored instanceof Float64Array
  ) {
    return Float32Array.from(stored);
  }
  return stored;
}

function rangesOf(voxels: Voxels): { usual: Range; all: Range } {
  let low = Infinity;
  let high = -Infinity;
  for (const value of voxels) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  if (low > high) [low, high] = [0, 1]; // no finite value
  const step = Math.max(1, Math.floor(voxels.length / SAMPLES));
  const found: number[] = [];
  for (let n = 0; n < voxels.length; n += step) {
    const value = voxels[n] ?? NaN;
    if (value > low && value <= high) found.push(value); // not the background
  }
  found.sort((a, b) => a - b);
  const at = (part: number) => found[Math.floor(part * (found.length - 1))];
  const usual = { low: at(0.01) ?? low, high: at(0.99) ?? high };
  // Air is black: a dark background is no part of what is looked at.
  if (usual.low > low && usual.low - low < 0.3 * (usual.high - low)) usual.low = low;
  if (usual.high <= usual.low) usual.high = usual.low + 1;
  return { usual, all: { low, high } };
}

/** A coarser label map: of each block the label in its middle, or the largest one if the middle
 * has none, so that small lesions stay. */
export function reduceLabels(made: Prepared, block: number): Prepared {
  const [width, height, depth] = made.shape;
  const factors = made.shape.map((size) => Math.min(block, size)) as Vec3;
  const shape = made.shape.map((size, axis) => Math.ceil(size / (factors[axis] ?? 1))) as Vec3;
  const voxels = new Uint8Array(shape[0] * shape[1] * shape[2]);
  const largest = (x: number, y: number, z: number) => {
    let found = 0;
    for (let k = z; k < Math.min(z + factors[2], depth); k++)
      for (let j = y; j < Math.min(y + factors[1], height); j++)
        for (let i = x; i < Math.min(x + factors[0], width); i++)
          found = Math.max(found, made.voxels[i + width * (j + height * k)] ?? 0);
    return found;
  };
  let n = 0;
  for (let z = 0; z < depth; z += factors[2])
    for (let y = 0; y < height; y += factors[1])
      for (let x = 0; x < width; x += factors[0]) {
        const i = Math.min(width - 1, x + (factors[0] >> 1));
        const j = Math.min(height - 1, y + (factors[1] >> 1));
        const k = Math.min(depth - 1, z + (factors[2] >> 1));
        voxels[n++] = made.voxels[i + width * (j + height * k)] || largest(x, y, z);
      }
  const centre = factors.map((factor) => (factor - 1) / 2) as Vec3;
  const origin = apply(made.affine, centre);
  const affine = made.affine.map((row, r) => [
    ...row.slice(0, 3).map((step, c) => step * (factors[c] ?? 1)),
    origin[r],
  ]) as Affine;
  return { ...made, shape, affine, voxels };
}
