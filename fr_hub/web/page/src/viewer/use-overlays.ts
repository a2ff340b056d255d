import { useEffect, useMemo, useState } from "react";

import { LoadError, loadVolume } from "./load";
import { coloursOf, type Overlay, type OverlayLook, type OverlaySource } from "./overlays";
import type { Volume } from "./volume";

export interface OverlayState {
  source: OverlaySource;
  look: OverlayLook;
  /** Whether it is being loaded, or why it cannot be shown. */
  loading: boolean;
  error: string | null;
  change(look: Partial<OverlayLook>): void;
}

interface Loaded {
  volume?: Volume;
  error?: string;
}

/** Load overlays once they are to be shown.
 *
 * @param ready whether the image is there; overlays wait for it.
 * @param block keep one label for a block of this many along each axis.
 */
export function useOverlays(
  sources: OverlaySource[],
  ready: boolean,
  block: number,
): { states: OverlayState[]; drawn: Overlay[] } {
  const [looks, setLooks] = useState<Record<string, OverlayLook>>({});
  const [loaded, setLoaded] = useState<Record<string, Loaded>>({});
  const lookOf = ({ name, shown, labels }: OverlaySource): OverlayLook =>
    looks[name] ?? { shown, opacity: 0.5, labels };
  const wanted = sources
    .filter((source) => ready && lookOf(source).shown)
    .map(({ name, url }) => `${name} ${url}`)
    .join("\n");

  useEffect(() => {
    const ending = new AbortController();
    for (const line of wanted ? wanted.split("\n") : []) {
      const [name = "", url = ""] = line.split(" ");
      const keep = (found: Loaded) => {
        if (!ending.signal.aborted) setLoaded((before) => ({ ...before, [line]: found }));
      };
      loadVolume({ url, block }, ending.signal).then(
        (volume) => keep({ volume }),
        (error: unknown) => keep({ error: reasonOf(name, error) }),
      );
    }
    return () => {
      ending.abort();
      setLoaded({});
    };
  }, [wanted, block]);

  const states = sources.map((source) => {
    const found = loaded[`${source.name} ${source.url}`];
    const look = lookOf(source);
    return {
      source,
      look,
      loading: look.shown && ready && !found,
      error: found?.error ?? null,
      change: (change: Partial<OverlayLook>) =>
        setLooks((before) => ({ ...before, [source.name]: { ...look, ...change } })),
    };
  });
  const drawn = useMemo(
    () =>
      sources.flatMap((source) => {
        const volume = loaded[`${source.name} ${source.url}`]?.volume;
        const { shown, opacity, labels } = looks[source.name] ?? { ...source, opacity: 0.5 };
        if (!volume || !shown) return [];
        return [{ name: source.name, volume, opacity, colours: coloursOf(labels) }];
      }),
    [sources, loaded, looks],
  );
  return { states, drawn };
}

function reasonOf(name: string, error: unknown): string {
  if (!(error instanceof LoadError)) return "It could not be loaded; switch it off and on again.";
  if (error.status !== 404) return error.message;
  return `This report has no ${name} map. Analyse the scan again to get one.`;
}
