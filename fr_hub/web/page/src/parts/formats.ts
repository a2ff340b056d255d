const NUMBER = new Intl.NumberFormat("en-GB");

/** A number with its thousands apart. */
export function numberText(value: number): string {
  return NUMBER.format(value);
}

/** A count with its noun: `1 scan`, `12 scans`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
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

/** A duration in its two largest units. */
export function durationText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

interface Sized {
  kind: "image" | "signal" | null;
  shape: readonly number[] | null;
  signal: { sampling_rate_hz: number | null } | null;
}

/** How large a scan is: an image in voxels, a signal in seconds (or samples) and leads. */
export function sizeText({ kind, shape, signal }: Sized): string {
  if (shape === null) return "";
  if (kind !== "signal") return shape.join("×");
  const [samples = 0, leads = 0] = shape;
  const hz = signal?.sampling_rate_hz;
  const long = hz
    ? `${numberText(Math.round((10 * samples) / hz) / 10)} s`
    : countText(samples, "sample");
  return `${long}, ${countText(leads, "lead")}`;
}
