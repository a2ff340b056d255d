import { apply, compose, inverse, type Vec3 } from "./geometry";
import type { Overlay } from "./overlays";
import type { SliceLayout } from "./planes";
import type { Range, Volume } from "./volume";

/** A slice as a picture: grey by intensity, with overlays. */
export function paintSlice(
  volume: Volume,
  slice: SliceLayout,
  range: Range,
  overlays: Overlay[],
): ImageData {
  const image = new ImageData(slice.width, slice.height);
  paintGrey(volume, slice, range, image.data);
  for (const overlay of overlays) paintOverlay(volume, slice, overlay, image.data);
  return image;
}

function strideOf(shape: Vec3, step: Vec3): number {
  return step[0] + shape[0] * (step[1] + shape[1] * step[2]);
}

function paintGrey(volume: Volume, slice: SliceLayout, range: Range, out: Uint8ClampedArray): void {
  const { voxels, shape } = volume;
  const [right, down] = [strideOf(shape, slice.right), strideOf(shape, slice.down)];
  const scale = 255 / (range.high - range.low || 1);
  let row = strideOf(shape, slice.start);
  let n = 0;
  for (let y = 0; y < slice.height; y++, row += down) {
    for (let x = 0, at = row; x < slice.width; x++, at += right, n += 4) {
      const grey = ((voxels[at] ?? 0) - range.low) * scale; // clamped; NaN becomes black
      out[n] = out[n + 1] = out[n + 2] = grey;
      out[n + 3] = 255;
    }
  }
}

function paintOverlay(
  volume: Volume,
  slice: SliceLayout,
  { volume: map, colours, opacity }: Overlay,
  out: Uint8ClampedArray,
): void {
  const back = inverse(map.affine);
  if (!back) return;
  const toMap = compose(back, volume.affine);
  const origin = apply(toMap, [0, 0, 0]);
  const step = (by: Vec3) => apply(toMap, by).map((to, n) => to - (origin[n] ?? 0)) as Vec3;
  const [right, down] = [step(slice.right), step(slice.down)];
  const start = apply(toMap, slice.start);
  const [width, height, depth] = map.shape;
  let n = 0;
  for (let y = 0; y < slice.height; y++) {
    for (let x = 0; x < slice.width; x++, n += 4) {
      const i = Math.round(start[0] + x * right[0] + y * down[0]);
      const j = Math.round(start[1] + x * right[1] + y * down[1]);
      const k = Math.round(start[2] + x * right[2] + y * down[2]);
      if (i < 0 || j < 0 || k < 0 || i >= width || j >= height || k >= depth) continue;
      const label = map.voxels[i + width * (j + height * k)] ?? 0;
      const alpha = (opacity * (colours[4 * label + 3] ?? 0)) / 255;
      if (!alpha) continue;
      for (let c = 0; c < 3; c++) {
        out[n + c] = (out[n + c] ?? 0) * (1 - alpha) + (colours[4 * label + c] ?? 0) * alpha;
      }
    }
  }
}
