import { useQuery } from "@tanstack/react-query";

import { api, call } from "../api/client";
import type { System } from "../api/types";
import { currentConnection } from "../live/feed";
import { Loading } from "../parts/empty";
import { bytesText, durationText, numberText } from "../parts/formats";
import { Note } from "../parts/note";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Table } from "../parts/table";
import { Ago } from "../parts/time";
import { Units } from "./units";

function secondsText(seconds: number | null): string {
  if (seconds === null) return "–";
  return seconds < 10 ? `${seconds.toFixed(2)} s` : durationText(seconds);
}

function Throughput({ spans }: { spans: System["throughput"] }) {
  return (
    <Table
      caption="Throughput"
      rows={spans}
      rowKey={({ minutes }) => String(minutes)}
      stacks="narrow"
      columns={[
        {
          title: "In the last",
          header: true,
          cell: ({ minutes }) => (minutes === 1 ? "minute" : `${minutes} minutes`),
        },
        { title: "Received", right: true, cell: ({ received }) => numberText(received) },
        { title: "Done", right: true, cell: ({ done }) => numberText(done) },
        { title: "Failed", right: true, cell: ({ failed }) => numberText(failed) },
        {
          title: "Median to report",
          right: true,
          cell: ({ latency_p50_s: seconds }) => secondsText(seconds),
        },
        {
          title: "95 % within",
          right: true,
          cell: ({ latency_p95_s: seconds }) => secondsText(seconds),
        },
      ]}
    />
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function Queue({ queue }: { queue: System["queue"] }) {
  const priorities = Object.entries(queue.priorities).filter(([, count]) => count > 0);
  return (
    <section className="card stack">
      <h2>Queue</h2>
      <dl className="facts number">
        <Fact name="Waiting" value={numberText(queue.states.waiting ?? 0)} />
        <Fact name="Being analysed" value={numberText(queue.states.analysing ?? 0)} />
        <dt>Oldest waiting</dt>
        <dd>{queue.oldest_waiting_at ? <Ago at={queue.oldest_waiting_at} /> : "none"}</dd>
        {priorities.map(([name, count]) => (
          <Fact key={name} name={`Priority ${name}`} value={numberText(count)} />
        ))}
        {Object.entries(queue.pacs).map(([name, count]) => (
          <Fact key={name} name={`From ${name}`} value={numberText(count)} />
        ))}
      </dl>
    </section>
  );
}

function Storage({ system: { disk, durability } }: { system: System }) {
  const isLow = disk.free_bytes !== null && disk.free_bytes < 2 * disk.least_free_bytes;
  return (
    <section className="card stack">
      <h2>Storage</h2>
      <dl className="facts">
        <Fact
          name="Free disk space"
          value={disk.free_bytes === null ? "not reported by MongoDB" : bytesText(disk.free_bytes)}
        />
        <Fact name="New scans are refused below" value={bytesText(disk.least_free_bytes)} />
        <Fact name="MongoDB" value={durability.server} />
        {durability.members > 0 && (
          <Fact name="Copies of the data" value={String(durability.members)} />
        )}
        <Fact name="An acknowledgement waits for" value={durability.acknowledged ?? "–"} />
        <Fact name="Durability" value={durability.description} />
      </dl>
      {isLow && (
        <Note tone="warn">
          Little disk space is left. Free some, or apply retention: <code>make retention</code>
        </Note>
      )}
      {durability.warnings.map((warning) => (
        <Note key={warning} tone="warn">
          {warning}
        </Note>
      ))}
    </section>
  );
}

/** The units, what they have done in the last minutes, and where the data is. */
export function Component() {
  const query = useQuery({
    queryKey: ["system"],
    queryFn: ({ signal }) => call(api.GET("/api/v1/system", { signal })),
    // Rates change with time alone; a page that nobody touches keeps no session alive.
    refetchInterval: () => (currentConnection() === "away" ? false : 15_000),
  });
  const system = query.data;
  return (
    <Page title="System">
      {query.isPending && <Loading what="the system" />}
      {query.error && <Problem problem={query.error} onRetry={() => void query.refetch()} />}
      {system && (
        <>
          <Units units={system.units} />
          <Throughput spans={system.throughput} />
          <div className="cards wide">
            <Queue queue={system.queue} />
            <Storage system={system} />
          </div>
        </>
      )}
    </Page>
  );
}
