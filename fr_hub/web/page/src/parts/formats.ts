const NUMBER = new Intl.NumberFormat("en-GB");

/** A number with its thousands apart. */
export function numberText(value: number): string {
  return NUMBER.format(value);
}

/** A count with its noun: `1 scan`, `12 scans`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

/** From so many ml on, and how many decimals then make three significant digits. */
const ML_DECIMALS = [
  [100, 0],
  [10, 1],
  [1, 2],
  [0.1, 3],
  [0.01, 4],
] as const;

/** A volume as the text of the report gives it (`in_ml`): with three significant digits, from
 * 100 ml without decimals, below 0.01 ml with three; a half is rounded up. */
export function mlText(ml: number): string {
  return `${ml.toFixed(ML_DECIMALS.find(([least]) => ml >= least)?.[1] ?? 3)} ml`;
}

/** A measure of an ECG as the text of the report gives it (`measure`): from 10 on without decimals,
 * from 1 on with one, below with two; an angle always without. */
export function measureText(value: number, unit: string): string {
  if (unit === "°") return `${value.toFixed(0)}°`;
  const size = Math.abs(value);
  return `${value.toFixed(size >= 10 ? 0 : size >= 1 ? 1 : 2)} ${unit}`.trim();
}

/** Bytes in the unit that fits. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration in its two largest units; below a minute with as many decimals as asked for. */
export function durationText(seconds: number, decimals = 0): string {
  const scale = 10 ** decimals;
  const exact = Math.max(0, Math.round(seconds * scale) / scale);
  if (exact < 60) return `${exact} s`;
  const s = Math.round(exact);
  if (s < 3600) return units(s, 60, "min", 1, "s");
  if (s < 86400) return units(s, 3600, "h", 60, "min");
  return units(s, 86400, "d", 3600, "h");
}

/** Such as `1 h 5 min`, or `1 h` if it is no minute longer. */
function units(s: number, large: number, name: string, small: number, rest: string): string {
  const whole = `${Math.floor(s / large)} ${name}`;
  const more = Math.floor((s % large) / small);
  return more ? `${whole} ${more} ${rest}` : whole;
}

interface Sized {
  kind: "image" | "signal" | null;
  shape: readonly number[] | null;
  signal: { sampling_rate_hz: number | null } | null;
}

/** How large a scan is: an image in voxels, a signal as its duration (or samples) and leads. */
export function sizeText({ kind, shape, signal }: Sized): string {
  if (shape === null) return "";
  if (kind !== "signal") return shape.join("×");
  const [samples = 0, leads = 0] = shape;
  const hz = signal?.sampling_rate_hz;
  const long = hz ? durationText(samples / hz, 1) : countText(samples, "sample");
  return `${long}, ${countText(leads, "lead")}`;
}

/** The contrast of an image, such as `T1`: as its sender knows it, or else as it was read. */
export function contrastOf(scan: { contrast: string | null; read_as: string | null }): string {
  return (scan.contrast ?? scan.read_as)?.toUpperCase() ?? "";
}
