import type { Volume } from "./volume";

/** A label of an overlay: what it means, and its colour as `#rrggbb`. */
export interface OverlayLabel {
  /** 0: all labels. */
  value: number;
  title: string;
  colour: string;
}

/** An overlay that can be loaded: a map with a small whole number for each voxel. */
export interface OverlaySource {
  name: string;
  title: string;
  url: string;
  labels: OverlayLabel[];
  /** Whether it is shown at first. */
  shown: boolean;
}

/** How an overlay is shown. */
export interface OverlayLook {
  shown: boolean;
  /** 0 to 1. */
  opacity: number;
  labels: OverlayLabel[];
}

/** An overlay to draw. */
export interface Overlay {
  name: string;
  volume: Volume;
  opacity: number;
  /** Red, green, blue and alpha of each label, 0 to 255. */
  colours: Uint8ClampedArray;
}

/** The colours of the labels 0 to 255; label 0 is not seen. */
export function coloursOf(labels: OverlayLabel[]): Uint8ClampedArray {
  const table = new Uint8ClampedArray(256 * 4);
  const all = labels.find(({ value }) => value === 0);
  for (let value = 1; value < 256; value++) {
    const label = labels.find((one) => one.value === value) ?? all;
    if (label) table.set([...rgbOf(label.colour), 255], 4 * value);
  }
  return table;
}

function rgbOf(colour: string): [number, number, number] {
  const number = parseInt(colour.slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}
