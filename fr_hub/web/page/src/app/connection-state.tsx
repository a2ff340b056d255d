import type { Connection } from "../live/use-live";

const WORDS: Record<Connection, [string, string]> = {
  starting: ["Connecting", "The page connects to the live feed."],
  live: ["Live", "Changes appear as they happen."],
  polling: ["Every 5 seconds", "The live feed does not answer; the page asks every 5 seconds."],
  lost: ["Connecting", "The page connects to the live feed again."],
  away: ["Paused", "Nobody has used this page for a while. Move the mouse to go on."],
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
