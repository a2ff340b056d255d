/** The times of R peaks in a report: `common/domain/ecg_peaks.py` explains the text. */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ONE = 48;
const LONG = 63;
const LONG_DIGITS = 7;
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

/** The times in seconds since the start, ascending. */
export function peakTimes(encoded: string, stepMs: number): Float64Array {
  const times: number[] = [];
  let time = 0;
  let interval = 0;
  for (const number of numbers(encoded)) {
    interval += number % 2 ? -(number + 1) / 2 : number / 2;
    time += interval;
    times.push((time * stepMs) / 1000);
  }
  return Float64Array.from(times);
}

function* numbers(text: string): Generator<number> {
  const values = Array.from(text, (digit) => VALUES.get(digit) ?? 0);
  let at = 0;
  while (at < values.length) {
    const value = values[at++] ?? 0;
    if (value < ONE) yield value;
    else if (value < LONG) yield ONE + 64 * (value - ONE) + (values[at++] ?? 0);
    else {
      let number = 0; // more than 32 bits: no shifts
      for (let digit = 0; digit < LONG_DIGITS; digit++) number = number * 64 + (values[at++] ?? 0);
      yield number;
    }
  }
}

/** The position of the first time at or after `at`. */
export function firstFrom(times: Float64Array, at: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
