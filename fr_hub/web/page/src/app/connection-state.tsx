import type { Connection } from "../live/use-live";

const WORDS: Record<Connection, [string, string]> = {
  starting: ["Connecting", "The page is connecting to the live feed."],
  live: ["Live", "Changes appear as they happen."],
  polling: ["Every 5 seconds", "There is no live feed; the page checks for changes every 5 s."],
  lost: ["Connecting", "The page is connecting to the live feed again."],
  away: ["Paused", "Nobody has used this page for a while. Move the mouse or press a key."],
};

/** Whether what the page shows is up to date. */
export function ConnectionState({ connection }: { connection: Connection }) {
  const [word, meaning] = WORDS[connection];
  return (
    <span className="connection" data-state={connection} title={meaning}>
      {word}
    </span>
  );
}
