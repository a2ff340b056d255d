/** The samples of a signal, in tiles at the resolution that is drawn: the samples themselves, or the
 * lowest and highest of each so many of them. Tiles are read when they are first drawn, and a coarser
 * one stands in meanwhile. */
import { sessionEnded } from "../api/client";

/** Samples of a column, as the API has them. */
export const STEPS = Array.from({ length: 11 }, (_, power) => 4 ** power);

const COLUMNS_MAX = 16_384;
const TILE_COLUMNS = 1024;
const TILES_KEPT = 600;
const AT_ONCE = 4;
const AGAIN_MS = 3000;

/** Columns of all leads from `first` on; of step 1 a column has one value, else two. */
export interface Tile {
  step: number;
  first: number;
  columns: number;
  values: Float32Array;
}

export class Samples {
  readonly tileColumns: number;
  private readonly tiles = new Map<string, Tile>();
  private readonly failed = new Map<string, number>();
  private readonly reading = new Set<string>();
  private wanted: { step: number; number: number }[] = [];
  private readonly listeners = new Set<() => void>();

  /** Counts the tiles that have come: another number means that there is more to draw. */
  version = 0;

  /**
   * @param url Of the samples, without a query.
   * @param count Samples of each lead.
   */
  constructor(
    private readonly url: string,
    readonly count: number,
    readonly leads: number,
  ) {
    this.tileColumns = Math.min(TILE_COLUMNS, Math.floor(COLUMNS_MAX / leads));
  }

  /** Calls `listener` with each new version; without a listener, nothing is read. Returns how to
   * stop. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private tell(): void {
    this.version += 1;
    this.listeners.forEach((listener) => listener());
  }

  /** The finest step with at most one column in `samples` samples, such as those of a pixel. */
  stepFor(samples: number): number {
    const fitting = STEPS.filter((step) => step <= samples);
    return fitting.at(-1) ?? 1;
  }

  /** Forget what was wanted: the next drawing says anew what it needs. */
  begin(): void {
    this.wanted = [];
  }

  /** The tiles that show the samples from `from` to `to`, those that are there. */
  between(step: number, from: number, to: number): Tile[] {
    const samples = step * this.tileColumns;
    const first = Math.max(0, Math.floor(from / samples));
    const last = Math.min(Math.ceil(this.count / samples) - 1, Math.floor(to / samples));
    const found = new Set<Tile>();
    for (let number = first; number <= last; number++) {
      const tile = this.tiles.get(`${step}/${number}`);
      if (!tile) this.wanted.push({ step, number });
      const shown = tile ?? this.coarser(step, number);
      if (shown) found.add(shown);
    }
    // The coarse ones first: finer ones are drawn over them.
    return [...found].sort((a, b) => b.step - a.step);
  }

  /** Read what is wanted; call it after drawing. */
  read(): void {
    const now = performance.now();
    for (const { step, number } of this.wanted) {
      if (this.reading.size >= AT_ONCE || this.listeners.size === 0) return;
      const name = `${step}/${number}`;
      const failed = this.failed.get(name) ?? -AGAIN_MS;
      if (this.reading.has(name) || this.tiles.has(name) || now - failed < AGAIN_MS) continue;
      void this.readOne(step, number, name);
    }
  }

  /** Whether anything that is wanted cannot be read. */
  get isFailing(): boolean {
    return this.wanted.some(({ step, number }) => this.failed.has(`${step}/${number}`));
  }

  private coarser(step: number, number: number): Tile | undefined {
    for (let other = step * 4, at = number; other <= (STEPS.at(-1) ?? 1); other *= 4) {
      at = Math.floor(at / 4);
      const tile = this.tiles.get(`${other}/${at}`);
      if (tile) return tile;
    }
    return undefined;
  }

  private async readOne(step: number, number: number, name: string): Promise<void> {
    this.reading.add(name);
    const first = number * this.tileColumns;
    try {
      const query = `step=${step}&first=${first}&columns=${this.tileColumns}`;
      const answer = await fetch(`${this.url}?${query}`);
      if (answer.status === 401) sessionEnded();
      if (!answer.ok) throw new Error(String(answer.status));
      const values = new Float32Array(await answer.arrayBuffer());
      const columns = values.length / this.leads / (step === 1 ? 1 : 2);
      this.failed.delete(name);
      this.tiles.set(name, { step, first, columns, values });
      for (const oldest of this.tiles.keys()) {
        if (this.tiles.size <= TILES_KEPT) break;
        this.tiles.delete(oldest);
      }
    } catch {
      this.failed.set(name, performance.now());
      window.setTimeout(() => this.tell(), AGAIN_MS);
    }
    this.reading.delete(name);
    this.tell();
  }
}
