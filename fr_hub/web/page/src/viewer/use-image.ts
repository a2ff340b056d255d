import { useEffect, useState } from "react";

import type { Vec3 } from "./geometry";
import { LoadError, loadVolume } from "./load";
import type { Volume } from "./volume";

/** An image that can be loaded at several levels of detail: 0 is the full one, and each further
 * level has half as many voxels along each axis. */
export interface ImageSource {
  url(level: number): string;
  /** Voxels along the axes of the full image. */
  shape: Vec3;
}

export interface LoadedImage {
  volume: Volume | null;
  level: number;
  /** The part of the next level that is loaded, 0 to 1; null: nothing is being loaded. */
  progress: number | null;
  error: LoadError | null;
}

const LEVEL_MAX = 6;
/** A smaller image comes at once, so that nothing coarser is shown before it. */
const AT_ONCE = 2_500_000;
const COARSE = 700_000;

function voxelsAt(shape: Vec3, level: number): number {
  return shape.reduce((count, size) => count * Math.ceil(size / Math.min(2 ** level, size)), 1);
}

/** The most detailed level with at most so many voxels, and such axes. */
export function finestLevel(shape: Vec3, voxelsMax: number, axisMax: number): number {
  let level = 0;
  const fits = () =>
    voxelsAt(shape, level) <= voxelsMax && Math.max(...shape) / 2 ** level <= axisMax;
  while (level < LEVEL_MAX && !fits()) level++;
  return level;
}

/** The levels to load one after another. */
export function levelsOf(shape: Vec3, finest: number): number[] {
  if (voxelsAt(shape, finest) <= AT_ONCE) return [finest];
  const coarse = finestLevel(shape, COARSE, Infinity);
  return coarse > finest ? [coarse, finest] : [finest];
}

const NOTHING: LoadedImage = { volume: null, level: 0, progress: 0, error: null };

/** Load an image, a coarse level first. What is loaded is freed when the component is unmounted.
 *
 * @param finest the most detailed level to load.
 * @param attempt another number loads again.
 */
export function useImage(source: ImageSource, finest: number, attempt: number): LoadedImage {
  const [state, setState] = useState(NOTHING);
  useEffect(() => {
    const ending = new AbortController();
    const update = (change: Partial<LoadedImage>) => {
      if (!ending.signal.aborted) setState((before) => ({ ...before, ...change }));
    };
    update({ progress: 0, error: null });
    loadLevels(source, levelsOf(source.shape, finest), ending.signal, update).catch(
      (error: unknown) => {
        if (error instanceof LoadError) update({ error, progress: null });
      },
    );
    return () => {
      ending.abort();
      setState(NOTHING);
    };
  }, [source, finest, attempt]);
  return state;
}

async function loadLevels(
  source: ImageSource,
  levels: number[],
  signal: AbortSignal,
  update: (change: Partial<LoadedImage>) => void,
): Promise<void> {
  for (const [n, level] of levels.entries()) {
    const last = n === levels.length - 1;
    try {
      const told = (part: number) => update({ progress: part });
      const volume = await loadVolume({ url: source.url(level) }, signal, told);
      update({ volume, level, progress: last ? null : 0 });
    } catch (error) {
      // Some images have no coarser level; the full one comes next.
      const coarse = error instanceof LoadError && error.status === 422 && !last;
      if (!coarse) throw error;
    }
  }
}
