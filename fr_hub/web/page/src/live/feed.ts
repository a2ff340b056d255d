/** The feed of what happens in Fr, one for the whole page.
 *
 * It comes as server-sent events. While the stream does not work, everything is read again every
 * five seconds. While nobody touches the page for a quarter of an hour, neither is done: reading
 * would keep a forgotten session alive. */

export interface LiveEvent {
  /** `reset`: anything may have changed. */
  kind: "scan" | "report" | "measurement" | "unit" | "queue" | "reset";
  /** Of the scan that it is about, or whose report. */
  key?: string | null;
  /** Of a scan as in lists, or `removed`; the others have words of their own. */
  state?: string | null;
}

/** `away`: nobody has touched the page for a while. */
export type Connection = "starting" | "live" | "polling" | "lost" | "away";

const ADDRESS = "/api/v1/events";
const KINDS: LiveEvent["kind"][] = ["scan", "report", "measurement", "unit", "queue", "reset"];
const POLL_MS = 5_000;
const RETRY_MAX_MS = 60_000;
const AWAY_MS = 14 * 60_000;

type Listener = (event: LiveEvent) => void;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let connection: Connection = "starting";
let source: EventSource | null = null;
let poll: number | undefined;
let retry: number | undefined;
let retryMs = POLL_MS;
let lastInput = Date.now();
let users = 0;
let mayStream = true;

/** Calls `listener` with each event. Returns how to stop. */
export function onLiveEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `watcher` when the connection changes. Returns how to stop. */
export function onConnection(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** How events come now. */
export function currentConnection(): Connection {
  return connection;
}

function become(next: Connection): void {
  if (next === connection) return;
  connection = next;
  watchers.forEach((watcher) => watcher());
}

function tell(event: LiveEvent): void {
  listeners.forEach((listener) => listener(event));
}

function received(message: MessageEvent<string>): void {
  let event: LiveEvent;
  try {
    event = JSON.parse(message.data) as LiveEvent;
  } catch {
    return tell({ kind: "reset" });
  }
  if (KINDS.includes(event.kind)) tell(event);
}

function open(): void {
  window.clearTimeout(retry);
  source?.close();
  if (!mayStream) return startPolling();
  const stream = new EventSource(ADDRESS);
  source = stream;
  stream.onopen = () => {
    retryMs = POLL_MS;
    stopPolling();
    become("live");
    // What happened between the last answers and this stream, nobody tells.
    tell({ kind: "reset" });
  };
  stream.onmessage = received;
  stream.onerror = () => {
    startPolling();
    if (stream.readyState !== EventSource.CLOSED) return; // the browser tries again
    retry = window.setTimeout(open, retryMs);
    retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
  };
}

function startPolling(): void {
  if (poll !== undefined) return;
  become("polling");
  poll = window.setInterval(() => {
    if (!document.hidden) tell({ kind: "reset" });
  }, POLL_MS);
}

function stopPolling(): void {
  window.clearInterval(poll);
  poll = undefined;
}

function close(): void {
  window.clearTimeout(retry);
  stopPolling();
  source?.close();
  source = null;
}

function touched(): void {
  lastInput = Date.now();
  if (connection !== "away") return;
  become("lost");
  open();
}

function checkAway(): void {
  if (connection === "away" || Date.now() - lastInput < AWAY_MS) return;
  close();
  become("away");
}

const INPUTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;
let away: number | undefined;

/** Follow the feed until the returned function is called.
 *
 * @param isStreamed Whether the user may read the stream; else everything is read again every five
 *   seconds. */
export function follow(isStreamed: boolean): () => void {
  users += 1;
  mayStream = isStreamed;
  if (users === 1) {
    lastInput = Date.now();
    INPUTS.forEach((name) => window.addEventListener(name, touched, { passive: true }));
    away = window.setInterval(checkAway, 30_000);
    open();
  }
  return () => {
    users -= 1;
    if (users > 0) return;
    INPUTS.forEach((name) => window.removeEventListener(name, touched));
    window.clearInterval(away);
    close();
    connection = "starting";
  };
}
