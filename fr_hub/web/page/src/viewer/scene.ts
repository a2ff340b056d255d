import {
  DRAG_MODE,
  MULTIPLANAR_TYPE,
  Niivue,
  NVImage,
  SHOW_RENDER,
  SLICE_TYPE,
} from "@niivue/niivue";

import { type Vec3, voxelSizes } from "./geometry";
import type { Overlay } from "./overlays";
import type { Convention, Plane } from "./planes";
import type { Range, Volume, Voxels } from "./volume";

export type View = "all" | Plane | "3d";

/** What happens in the scene. */
export interface SceneEvents {
  onCursor(mm: Vec3): void;
  onRange(range: Range): void;
}

const LABELS = 1002; // NIFTI_INTENT_LABEL
const TYPES: Record<View, SLICE_TYPE> = {
  all: SLICE_TYPE.MULTIPLANAR,
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  "3d": SLICE_TYPE.RENDER,
};

/** A volume with overlays, drawn by NiiVue with WebGL 2. */
export class Scene {
  readonly #niivue: Niivue;
  #listening = true;
  #image: NVImage | null = null;
  #layers: NVImage[] = [];

  private constructor(niivue: Niivue, events: SceneEvents) {
    this.#niivue = niivue;
    niivue.onLocationChange = (location) => {
      const { mm } = location as { mm: ArrayLike<number> };
      if (this.#listening) events.onCursor([mm[0] ?? 0, mm[1] ?? 0, mm[2] ?? 0]);
    };
    niivue.onIntensityChange = (image) => {
      events.onRange({ low: image.cal_min ?? 0, high: image.cal_max ?? 1 });
    };
  }

  /** Begin to draw on a canvas. */
  static async on(canvas: HTMLCanvasElement, events: SceneEvents): Promise<Scene> {
    const niivue = new Niivue({
      logLevel: "silent",
      loadingText: "",
      dragAndDropEnabled: false,
      dragMode: DRAG_MODE.windowing,
      // Keys are handled by the viewer, alike for all ways of drawing.
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.3, 0.85, 1, 0.8],
      crosshairWidthUnit: "percent", // of the image, as images of a few mm exist, too
      crosshairWidth: 0.3,
      crosshairGap: 4,
      fontColor: [1, 0.85, 0.3, 1],
      show3Dcrosshair: true,
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      multiplanarShowRender: SHOW_RENDER.ALWAYS,
      showAllOrientationMarkers: true,
      isForceMouseClickToVoxelCenters: true,
    });
    const scene = new Scene(niivue, events);
    const attached = niivue.attachToCanvas(canvas, false);
    // NiiVue makes it a stop of the tab key before it first waits. It is hidden from screen readers,
    // and the element around it has the focus and the keys.
    canvas.removeAttribute("tabindex");
    await attached;
    return scene;
  }

  /** Show a volume with overlays, the last one on top. */
  show(volume: Volume, range: Range, overlays: Overlay[]): void {
    const niivue = this.#niivue;
    const known = this.#image?.img === volume.voxels ? this.#image : null;
    const image = known ?? nvImage(volume, range, 1);
    const before = this.#layers;
    const layers = overlays.map(({ volume: map, colours, opacity }) => {
      const kept = before.find((layer) => layer.img === map.voxels);
      const layer = kept ?? nvImage(map, { low: 0, high: 255 }, opacity, LABELS);
      layer.opacity = opacity;
      layer.colormapLabel = { lut: colours, min: 0, max: 255 };
      return layer;
    });
    this.#image = image;
    this.#layers = layers;
    niivue.opts.isOrientationTextVisible = volume.placed;
    niivue.volumes = [image, ...layers];
    niivue.back = image;
    niivue.overlays = layers;
    if (known && !layers.length && !before.length) return;
    this.#quietly(() => {
      if (known && layers.length) {
        // The image itself stays on the graphics card.
        layers.forEach((layer, n) => niivue.refreshLayers(layer, n + 1));
        niivue.drawScene();
      } else niivue.updateGLVolume();
    });
  }

  setRange(range: Range): void {
    if (!this.#image) return;
    if (this.#image.cal_min === range.low && this.#image.cal_max === range.high) return;
    this.#image.cal_min = range.low;
    this.#image.cal_max = range.high;
    this.#niivue.refreshLayers(this.#image, 0);
    this.#niivue.drawScene();
  }

  setCursor(mm: Vec3): void {
    if (!this.#image) return;
    const niivue = this.#niivue;
    const at = niivue.mm2frac(mm, 0, true);
    const now = niivue.scene.crosshairPos;
    if (Math.hypot(at[0] - now[0], at[1] - now[1], at[2] - now[2]) < 1e-5) return;
    niivue.scene.crosshairPos = at;
    niivue.drawScene();
  }

  setView(view: View): void {
    this.#niivue.setSliceType(TYPES[view]);
  }

  setConvention(convention: Convention): void {
    this.#niivue.setRadiologicalConvention(convention === "radiological");
  }

  /** Magnify; the place under the crosshair stays where it is. */
  setZoom(zoom: number, mm: Vec3): void {
    const niivue = this.#niivue;
    const [x = 0, y = 0, z = 0, before = 1] = niivue.scene.pan2Dxyzmm;
    if (before !== zoom) {
      const change = before - zoom;
      const pan =
        zoom === 1 ? [0, 0, 0] : [x + change * mm[0], y + change * mm[1], z + change * mm[2]];
      niivue.scene.volScaleMultiplier = zoom;
      niivue.setPan2Dxyzmm([pan[0] ?? 0, pan[1] ?? 0, pan[2] ?? 0, zoom]);
    }
  }

  /** Turn the 3-D picture, degrees. */
  turn(azimuth: number, elevation: number): void {
    const { renderAzimuth, renderElevation } = this.#niivue.scene;
    this.#niivue.setRenderAzimuthElevation(renderAzimuth + azimuth, renderElevation + elevation);
  }

  /** Free the memory of the volumes and of the graphics card. */
  dispose(): void {
    const niivue = this.#niivue;
    niivue.onLocationChange = () => {};
    niivue.onIntensityChange = () => {};
    niivue.cleanup();
    for (const image of [this.#image, ...this.#layers]) if (image) image.img = undefined;
    niivue.volumes = [];
    niivue.overlays = [];
    niivue.back = null;
    this.#image = null;
    this.#layers = [];
    niivue.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #quietly(change: () => void): void {
    this.#listening = false;
    try {
      change();
    } finally {
      this.#listening = true;
    }
  }
}

function datatypeOf(voxels: Voxels): number {
  if (voxels instanceof Uint8Array) return 2;
  if (voxels instanceof Int16Array) return 4;
  return voxels instanceof Uint16Array ? 512 : 16;
}

function nvImage(
  { shape, affine, voxels }: Volume,
  range: Range,
  opacity: number,
  intent?: number,
): NVImage {
  const image = new NVImage();
  const flat = [...affine.flat(), 0, 0, 0, 1];
  const header = NVImage.createNiftiHeader(shape, voxelSizes(affine), flat, datatypeOf(voxels));
  if (intent) header.intent_code = intent;
  image.hdr = header;
  // The worker found the range already; NiiVue would look for it here, which stops the page.
  image.calMinMax = () => {
    Object.assign(image, {
      cal_min: range.low,
      cal_max: range.high,
      robust_min: range.low,
      robust_max: range.high,
      global_min: range.low,
      global_max: range.high,
    });
    return [range.low, range.high, range.low, range.high];
  };
  const buffer = voxels.buffer as ArrayBuffer;
  const [none, rest] = [undefined, NaN];
  image.init(
    ...([buffer, "", "gray", opacity, null, range.low, range.high, true, 0.02, false] as const),
    ...([false, "", 0, none, rest, rest, false, null, 0, buffer] as const),
  );
  return image;
}
