import type { Vec3 } from "./geometry";
import { type Convention, moved, type Plane } from "./planes";
import type { View } from "./scene";
import type { Volume } from "./volume";

export const ZOOM_MIN = 1;
export const ZOOM_MAX = 8;

/** What a key does in the viewer; null: nothing. */
export type KeyAction =
  | { kind: "move"; to: Vec3 }
  | { kind: "turn"; azimuth: number; elevation: number }
  | { kind: "zoom"; factor: number }
  | { kind: "reset" };

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Find what a key does: arrows move the crosshair in the axial slice, or in the one that is
 * shown, and turn the 3-D picture; page up and down go to the next and the previous slice. */
export function actionOf(
  key: string,
  view: View,
  volume: Volume,
  cursor: Vec3,
  convention: Convention,
): KeyAction | null {
  if (key === "+" || key === "=") return { kind: "zoom", factor: 1.25 };
  if (key === "-") return { kind: "zoom", factor: 0.8 };
  if (key === "0") return { kind: "reset" };
  const arrow = ARROWS[key];
  if (view === "3d") {
    return arrow ? { kind: "turn", azimuth: 10 * arrow[0], elevation: 10 * arrow[1] } : null;
  }
  const plane: Plane = view === "all" ? "axial" : view;
  const through = key === "PageUp" ? 1 : key === "PageDown" ? -1 : 0;
  if (!arrow && !through) return null;
  const [right, up] = arrow ?? [0, 0];
  return { kind: "move", to: moved(volume, plane, cursor, convention, [right, up, through]) };
}
