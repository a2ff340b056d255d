import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useSyncExternalStore } from "react";

import {
  type Connection,
  currentConnection,
  follow,
  type LiveEvent,
  onConnection,
  onLiveEvent,
} from "./feed";

export type { Connection, LiveEvent } from "./feed";

/** Lists are read again this seldom, however much happens. */
const LISTS_MS = 1_000;
/** Counts of a tenant are kept by the server as long. */
const COUNTS_MS = 5_000;

const AFTER: Record<LiveEvent["kind"], string[]> = {
  scan: ["scans", "counts", "failures"],
  report: ["scans", "counts"],
  measurement: ["measurements"],
  unit: ["system"],
  queue: ["counts", "system"],
  reset: ["scans", "scan", "counts", "failures", "measurements", "system", "my-ecgs"],
};

/** Marks queries as stale, at once and then at most every so often. */
class Invalidation {
  private last = new Map<string, number>();
  private timers = new Map<string, number>();

  constructor(private queries: QueryClient) {}

  soon(name: string): void {
    const every = name === "counts" || name === "system" ? COUNTS_MS : LISTS_MS;
    const wait = (this.last.get(name) ?? 0) + every - Date.now();
    if (wait <= 0) this.now(name);
    else if (!this.timers.has(name)) {
      this.timers.set(
        name,
        window.setTimeout(() => this.now(name), wait),
      );
    }
  }

  stop(): void {
    this.timers.forEach((timer) => window.clearTimeout(timer));
    this.timers.clear();
  }

  private now(name: string): void {
    this.timers.delete(name);
    this.last.set(name, Date.now());
    void this.queries.invalidateQueries({ queryKey: [name] });
  }
}

/** Keeps all queries up to date with what happens; returns how it does so now. The shell does it
 * for all parts of the page: they need only the query keys.
 *
 * @param mayStream Whether the user may follow the stream of events. */
export function useLive(mayStream: boolean): Connection {
  const queries = useQueryClient();
  useEffect(() => {
    const invalidation = new Invalidation(queries);
    const stop = onLiveEvent((event) => {
      if (event.key) {
        void queries.invalidateQueries({ queryKey: ["scan", event.key] });
      }
      AFTER[event.kind].forEach((name) => invalidation.soon(name));
    });
    const leave = follow(mayStream);
    return () => {
      stop();
      leave();
      invalidation.stop();
    };
  }, [queries, mayStream]);
  return useSyncExternalStore(onConnection, currentConnection);
}

/** Calls `handler` with each event, for what needs more than fresh queries. */
export function useLiveEvents(handler: (event: LiveEvent) => void): void {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(() => onLiveEvent((event) => latest.current(event)), []);
}
