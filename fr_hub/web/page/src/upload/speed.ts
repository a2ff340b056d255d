/** How fast bytes leave, over the last seconds. */
const OVER_MS = 4000;

export class Speed {
  private readonly points: { at: number; bytes: number }[] = [];

  /** Note how many bytes have left; the speed in bytes a second, null while it is not known. */
  at(bytes: number, now: number = performance.now()): number | null {
    this.points.push({ at: now, bytes });
    while (this.points.length > 2 && now - (this.points[0]?.at ?? now) > OVER_MS) {
      this.points.shift();
    }
    const first = this.points[0];
    if (!first || now - first.at < 300) return null;
    return ((bytes - first.bytes) / (now - first.at)) * 1000;
  }
}
