import type { UnitState } from "../api/types";
import { Empty } from "../parts/empty";
import { Table } from "../parts/table";
import { Tag, type Tone } from "../parts/tag";
import { Ago, Time } from "../parts/time";

const UNITS: Record<string, string> = {
  "fr-hub": "Fr-HUB",
  "fr-brain": "Fr-BRAIN",
  "fr-pacs": "Fr-PACS",
  "fr-web": "API and page",
};

const STATES: Record<string, [Tone, string]> = {
  running: ["good", "Running"],
  connected: ["good", "Connected"],
  stopped: ["muted", "Stopped"],
  away: ["warn", "Not connected"],
  gone: ["bad", "Not responding"],
};

/** Each process, where it runs, and when it last told of itself. */
export function Units({ units }: { units: UnitState[] }) {
  if (units.length === 0) {
    return (
      <Empty title="No unit has reported yet">
        Units appear here seconds after they start; <code>make all</code> starts all of them.
      </Empty>
    );
  }
  return (
    <Table
      caption="Units"
      rows={units}
      rowKey={({ id }) => id}
      stacks="narrow"
      columns={[
        {
          title: "Unit",
          header: true,
          cell: ({ unit, name }) => `${UNITS[unit] ?? unit}${name ? ` ${name}` : ""}`,
        },
        {
          title: "State",
          cell: ({ state }) => {
            const [tone, word] = STATES[state] ?? ["plain", state];
            return <Tag tone={tone}>{word}</Tag>;
          },
        },
        { title: "Host", cell: ({ host }) => host ?? "–" },
        { title: "Version", cell: ({ version }) => version ?? "–" },
        {
          title: "Started",
          cell: ({ started_at: at }) => (at ? <Time at={at} form="short" /> : "–"),
        },
        {
          title: "Last seen",
          cell: ({ seen_at: at }) =>
            at ? (
              <>
                <Ago at={at} /> ago
              </>
            ) : (
              "–"
            ),
        },
      ]}
    />
  );
}
