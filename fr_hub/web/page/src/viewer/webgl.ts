/** What the browser can draw in three dimensions. */
export interface Graphics {
  /** Whether WebGL 2 is there. */
  webgl: boolean;
  /** Whether a processor draws, without a graphics card. */
  software: boolean;
  /** Longest axis of a volume that can be drawn. */
  axisMax: number;
  /** Most voxels that are drawn without the page becoming slow. */
  voxelsMax: number;
}

const NONE: Graphics = { webgl: false, software: false, axisMax: 0, voxelsMax: 0 };
let known: Graphics | undefined;

/** Find out, once, what the browser can draw. */
export function graphics(): Graphics {
  known ??= probe();
  return known;
}

function probe(): Graphics {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return NONE;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  const software = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  const axisMax = Number(gl.getParameter(gl.MAX_3D_TEXTURE_SIZE));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  // A drawn voxel takes some 12 bytes of the graphics card's memory.
  return { webgl: true, software, axisMax, voxelsMax: software ? 9_000_000 : 48_000_000 };
}
