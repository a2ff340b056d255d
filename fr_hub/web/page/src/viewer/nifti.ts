import type { Affine } from "./geometry";

/** What the viewer needs of a NIfTI header (https://nifti.nimh.nih.gov/nifti-1 and nifti-2). */
export interface NiftiHeader {
  /** Voxels along three axes; 1 where the file has fewer. */
  shape: [number, number, number];
  /** Voxel indices to mm, RAS+; null: the file does not say where its voxels lie. */
  affine: Affine | null;
  datatype: number;
  slope: number;
  intercept: number;
  /** Bytes before the first voxel. */
  offset: number;
}

/** Bytes that are enough to read any header. */
export const HEADER_BYTES = 540;

const SIZE_1 = 348;
const SIZE_2 = 540;

/** Read the header of a single-file NIfTI-1 or NIfTI-2, little-endian as Fr writes them. */
export function readHeader(bytes: Uint8Array): NiftiHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getInt32(0, true);
  if (size !== SIZE_1 && size !== SIZE_2) throw new Error("this is not a NIfTI file");
  return size === SIZE_1 ? header1(view) : header2(view);
}

function header1(view: DataView): NiftiHeader {
  const axes = view.getInt16(40, true);
  const float = (at: number) => view.getFloat32(at, true);
  return {
    shape: shapeOf(axes, (axis) => view.getInt16(40 + 2 * axis, true)),
    affine: view.getInt16(254, true) > 0 ? affineOf((n) => float(280 + 4 * n)) : null,
    datatype: view.getInt16(70, true),
    slope: float(112),
    intercept: float(116),
    offset: float(108),
  };
}

function header2(view: DataView): NiftiHeader {
  const long = (at: number) => Number(view.getBigInt64(at, true));
  const double = (at: number) => view.getFloat64(at, true);
  return {
    shape: shapeOf(long(16), (axis) => long(16 + 8 * axis)),
    affine: view.getInt32(348, true) > 0 ? affineOf((n) => double(400 + 8 * n)) : null,
    datatype: view.getInt16(12, true),
    slope: double(176),
    intercept: double(184),
    offset: long(168),
  };
}

function shapeOf(axes: number, length: (axis: number) => number): [number, number, number] {
  const at = (axis: number) => (axis <= axes ? Math.max(1, length(axis)) : 1);
  return [at(1), at(2), at(3)];
}

function affineOf(number: (n: number) => number): Affine {
  const row = (r: number): [number, number, number, number] => [
    number(4 * r),
    number(4 * r + 1),
    number(4 * r + 2),
    number(4 * r + 3),
  ];
  return [row(0), row(1), row(2)];
}
