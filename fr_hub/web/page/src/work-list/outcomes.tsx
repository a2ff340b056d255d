import type { Outcome } from "../api/types";
import { countText } from "../parts/formats";
import { Table } from "../parts/table";
import { Tag, type Tone } from "../parts/tag";

const TONES: Record<Outcome["outcome"], Tone> = {
  done: "good",
  would: "info",
  unchanged: "muted",
  refused: "bad",
  unknown: "bad",
};

/** What became of each scan, or would become of it: those that stay as they are first. */
export function Outcomes({ outcomes, done }: { outcomes: Outcome[]; done: string }) {
  if (outcomes.length === 0) return null;
  const words: Record<Outcome["outcome"], string> = {
    done,
    would: `will be ${done}`,
    unchanged: "unchanged",
    refused: "refused",
    unknown: "not found",
  };
  const order = Object.keys(words) as Outcome["outcome"][];
  const counts = order
    .map((one) => [one, outcomes.filter(({ outcome }) => outcome === one).length] as const)
    .filter(([, count]) => count > 0);
  const rank = (one: Outcome) => (one.outcome === "done" || one.outcome === "would" ? 1 : 0);
  const sorted = [...outcomes].sort((a, b) => rank(a) - rank(b));
  return (
    <>
      <p className="row" role="status">
        {counts.map(([one, count]) => (
          <Tag key={one} tone={TONES[one]}>
            {countText(count, "scan")} {words[one]}
          </Tag>
        ))}
      </p>
      <div className="outcomes">
        <Table
          caption="Outcome of each scan"
          rows={sorted}
          rowKey={({ id }) => id}
          columns={[
            {
              title: "Scan",
              header: true,
              cell: ({ id }) => <span className="mono wrap-anywhere">{id}</span>,
            },
            {
              title: "Outcome",
              cell: ({ outcome, reason }) => (
                <>
                  {words[outcome]}
                  {reason && <span className="muted">: {reason}</span>}
                </>
              ),
            },
          ]}
        />
      </div>
    </>
  );
}
