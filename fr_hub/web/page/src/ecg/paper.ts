/** Draws leads on millimetre paper. */
import { firstFrom } from "./peaks";
import type { Samples, Tile } from "./samples";

/** Pixels of a millimetre, as CSS has it. */
export const PX_PER_MM = 96 / 25.4;
export const AXIS_PX = 22;
/** Drawn by the processor: without a GPU, an emulated one takes several times as long. */
export const CONTEXT: CanvasRenderingContext2DSettings = { willReadFrequently: true };
const BEATS_PX = 18;
const NAME_PX = 12;
const GRID_FROM_MM_S = 5;
const MARKS_MAX = 400;
const RR_FROM_PX = 52;
const TICKS_S = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 21600];
const TICK_PX = 80;

export interface Colours {
  paper: string;
  fine: string;
  bold: string;
  trace: string;
  peak: string;
  text: string;
}

export interface Scene {
  samples: Samples;
  leads: readonly string[];
  /** Samples of a second; 1 if it is not known, when a second is a sample. */
  rate: number;
  isTimed: boolean;
  /** Of the samples' unit, mm. */
  mmPerUnit: number;
  peaks: Float64Array;
  colours: Colours;
}

export interface View {
  /** The time at the left edge, s. */
  start: number;
  pxPerS: number;
}

/** How high the drawing of so many leads is, px. */
export function heightOf(leads: number): number {
  return BEATS_PX + leads * rowPx(leads) + AXIS_PX;
}

function rowPx(leads: number): number {
  return Math.round((leads <= 3 ? 30 : 18) * PX_PER_MM);
}

/** A drawing as it is made. */
interface Drawing {
  ctx: CanvasRenderingContext2D;
  width: number;
  /** Down to the axis. */
  height: number;
  scene: Scene;
  view: View;
}

/** Draw a view; reads what it lacks. */
export function draw(ctx: CanvasRenderingContext2D, width: number, scene: Scene, view: View): void {
  const height = heightOf(scene.leads.length) - AXIS_PX;
  const drawing = { ctx, width, height, scene, view };
  ctx.fillStyle = scene.colours.paper;
  ctx.fillRect(0, 0, width, height + AXIS_PX);
  drawGrid(drawing);
  drawBeats(drawing);
  const row = rowPx(scene.leads.length);
  const end = view.start + width / view.pxPerS;
  scene.samples.begin();
  const step = scene.samples.stepFor(scene.rate / view.pxPerS);
  const tiles = scene.samples.between(step, view.start * scene.rate, end * scene.rate);
  ctx.lineJoin = "bevel";
  scene.leads.forEach((name, lead) => {
    const middle = BEATS_PX + (lead + 0.5) * row;
    const scale = scene.mmPerUnit * PX_PER_MM;
    ctx.strokeStyle = scene.colours.trace;
    ctx.lineWidth = 1.25;
    ctx.beginPath();
    for (const tile of clipped(tiles)) {
      traceTile(drawing, tile, lead, (value) => middle - value * scale);
    }
    ctx.stroke();
    label(ctx, name, 6, BEATS_PX + lead * row + NAME_PX, scene.colours);
  });
  drawAxis(drawing);
}

interface Piece {
  tile: Tile;
  /** The samples of it to draw. */
  from: number;
  to: number;
}

/** Where tiles overlap, the finer one is drawn. They come with the coarse ones first. */
function clipped(tiles: Tile[]): Piece[] {
  const pieces: Piece[] = [];
  tiles.forEach((tile, position) => {
    let from = tile.first * tile.step;
    const to = from + tile.columns * tile.step;
    const finer = tiles
      .slice(position + 1)
      .map((one) => [one.first * one.step, (one.first + one.columns) * one.step] as const)
      .sort(([a], [b]) => a - b);
    for (const [start, end] of finer) {
      if (end <= from || start >= to) continue;
      if (start > from) pieces.push({ tile, from, to: start });
      from = Math.max(from, end);
    }
    if (from < to) pieces.push({ tile, from, to });
  });
  return pieces;
}

function traceTile(
  { ctx, width, scene, view }: Drawing,
  { tile, from, to }: Piece,
  lead: number,
  yOf: (value: number) => number,
): void {
  const { step, first, columns, values } = tile;
  const pxPerColumn = (step / scene.rate) * view.pxPerS;
  const x0 = ((first * step) / scene.rate - view.start) * view.pxPerS;
  const begin = Math.max(
    0,
    Math.floor((from - first * step) / step),
    Math.floor(-x0 / pxPerColumn) - 1,
  );
  const stop = Math.min(
    columns,
    Math.ceil((to - first * step) / step),
    Math.ceil((width - x0) / pxPerColumn) + 1,
  );
  const each = step === 1 ? 1 : 2;
  const base = lead * columns * each;
  let isOpen = false;
  for (let column = begin; column < stop; column++) {
    const low = values[base + column * each] ?? NaN;
    if (Number.isNaN(low)) {
      isOpen = false;
      continue;
    }
    const x = x0 + (column + 0.5) * pxPerColumn;
    const high = each === 1 ? low : (values[base + column * each + 1] ?? low);
    if (isOpen) ctx.lineTo(x, yOf(high));
    else ctx.moveTo(x, yOf(high));
    if (each === 2) ctx.lineTo(x, yOf(low));
    isOpen = true;
  }
}

function drawGrid({ ctx, width, height, scene, view }: Drawing): void {
  const isPaper = scene.isTimed && view.pxPerS >= GRID_FROM_MM_S * PX_PER_MM;
  const left = -((view.start * view.pxPerS) % (5 * PX_PER_MM));
  for (const [every, colour] of [
    [1, scene.colours.fine],
    [5, scene.colours.bold],
  ] as const) {
    ctx.fillStyle = colour;
    const gap = every * PX_PER_MM;
    // Rectangles take less time than a path of lines.
    for (let y = BEATS_PX; y <= height; y += gap) ctx.fillRect(0, Math.round(y), width, 1);
    if (!isPaper) continue;
    for (let x = left; x <= width; x += gap) {
      ctx.fillRect(Math.round(x), BEATS_PX, 1, height - BEATS_PX);
    }
  }
}

function line(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  // In the middle of a pixel, or it is drawn over two.
  ctx.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  ctx.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
}

/** The R peaks, with the intervals between them, ms, where there is room. */
function drawBeats({ ctx, width, height, scene, view }: Drawing): void {
  const first = firstFrom(scene.peaks, view.start);
  const last = firstFrom(scene.peaks, view.start + width / view.pxPerS);
  if (last - first > MARKS_MAX) return;
  ctx.font = "11px sans-serif";
  ctx.textAlign = "center";
  ctx.fillStyle = scene.colours.peak;
  ctx.strokeStyle = scene.colours.peak;
  ctx.lineWidth = 1;
  for (let beat = first; beat <= Math.min(last, scene.peaks.length - 1); beat++) {
    const at = scene.peaks[beat] ?? 0;
    const x = (at - view.start) * view.pxPerS;
    ctx.beginPath();
    ctx.moveTo(x - 4, BEATS_PX - 7);
    ctx.lineTo(x + 4, BEATS_PX - 7);
    ctx.lineTo(x, BEATS_PX - 1);
    ctx.fill();
    ctx.globalAlpha = 0.3;
    ctx.beginPath();
    line(ctx, x, BEATS_PX, x, height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    const before = scene.peaks[beat - 1];
    if (beat > 0 && before !== undefined && (at - before) * view.pxPerS >= RR_FROM_PX) {
      const middle = ((at + before) / 2 - view.start) * view.pxPerS;
      ctx.fillText(`${Math.round((at - before) * 1000)}`, middle, BEATS_PX - 4);
    }
  }
}

function drawAxis({ ctx, width, height, scene, view }: Drawing): void {
  const every = TICKS_S.find((one) => one * view.pxPerS >= TICK_PX) ?? 86_400;
  ctx.strokeStyle = scene.colours.text;
  ctx.fillStyle = scene.colours.text;
  ctx.font = "12px sans-serif";
  ctx.textAlign = "center";
  ctx.lineWidth = 1;
  ctx.beginPath();
  line(ctx, 0, height, width, height);
  const end = view.start + width / view.pxPerS;
  for (let n = Math.ceil(view.start / every); n * every <= end; n++) {
    const x = (n * every - view.start) * view.pxPerS;
    line(ctx, x, height, x, height + 4);
    if (x > 20 && x < width - 20) {
      const text = scene.isTimed ? timeText(n * every, every) : String(Math.round(n * every));
      ctx.fillText(text, x, height + AXIS_PX - 6);
    }
  }
  ctx.stroke();
}

/** A time since the start, such as `12.4 s`, `3:05:10` or `1 d 3:05:10`. */
export function timeText(seconds: number, every = 1): string {
  if (seconds < 60 && every < 60) return `${seconds.toFixed(every < 1 ? 1 : 0)} s`;
  const whole = Math.round(seconds * 10) / 10;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(every < 1 ? 1 : 0).padStart(every < 1 ? 4 : 2, "0");
  if (!hours) return `${minutes}:${rest}`;
  const days = hours >= 24 ? `${Math.floor(hours / 24)} d ` : "";
  return `${days}${hours % 24}:${String(minutes).padStart(2, "0")}:${rest}`;
}

function label(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colours: Colours,
): void {
  ctx.font = "bold 13px sans-serif";
  ctx.textAlign = "left";
  ctx.lineWidth = 4;
  ctx.strokeStyle = colours.paper;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colours.text;
  ctx.fillText(text, x, y);
}
