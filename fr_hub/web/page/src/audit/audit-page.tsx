import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import { useSettled } from "../parts/use-settled";
import { KINDS } from "./kinds";
import { type AuditEvent, type Kind, useEvents, type Wanted } from "./queries";

/** Events of the audit trail, by scan, user, kind and time. */
export function Component() {
  const [address, setAddress] = useSearchParams();
  const [wanted, setWanted] = useState<Wanted>(() => ({
    scan: address.get("scan") ?? "",
    user: address.get("user") ?? "",
    kinds: address.getAll("kind").filter((kind): kind is Kind => kind in KINDS),
    since: "",
    until: "",
  }));
  const found = useEvents(useSettled(wanted));
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  const change = (part: Partial<Wanted>) => {
    const next = { ...wanted, ...part };
    setWanted(next);
    const shown = new URLSearchParams();
    if (next.scan) shown.set("scan", next.scan);
    if (next.user) shown.set("user", next.user);
    next.kinds.forEach((kind) => shown.append("kind", kind));
    setAddress(shown, { replace: true });
  };

  return (
    <Page title="Audit trail">
      <Filters wanted={wanted} onChange={change} />
      {found.isError && <Problem problem={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading what="events" />}
      {found.data && rows.length === 0 && !found.hasNextPage && (
        <Empty title="No event matches">Check the filters, or choose a longer time.</Empty>
      )}
      {rows.length > 0 && (
        <Table
          caption="Events"
          columns={COLUMNS}
          rows={rows.map((event, number) => ({ ...event, number }))}
          rowKey={(one) => `${one.entry} ${one.number}`}
          stacks="wide"
        />
      )}
      {found.hasNextPage && (
        <Button busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
          {rows.length > 0 ? "Show more" : "Search further back"}
        </Button>
      )}
    </Page>
  );
}

function Filters(props: { wanted: Wanted; onChange: (part: Partial<Wanted>) => void }) {
  const { wanted, onChange } = props;
  return (
    <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <Field label="Scan">
        {(given) => (
          <input
            {...given}
            type="search"
            className="input mono"
            spellCheck={false}
            value={wanted.scan}
            onChange={(event) => onChange({ scan: event.target.value.trim() })}
          />
        )}
      </Field>
      <Field label="User">
        {(given) => (
          <input
            {...given}
            type="search"
            spellCheck={false}
            value={wanted.user}
            onChange={(event) => onChange({ user: event.target.value.trim() })}
          />
        )}
      </Field>
      <Field label="Kind">
        {(given) => (
          <select
            {...given}
            value={wanted.kinds[0] ?? ""}
            onChange={(event) =>
              onChange({ kinds: event.target.value ? [event.target.value as Kind] : [] })
            }
          >
            <option value="">All</option>
            {Object.entries(KINDS).map(([kind, label]) => (
              <option key={kind} value={kind}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Since">
        {(given) => (
          <input
            {...given}
            type="datetime-local"
            value={wanted.since}
            onChange={(event) => onChange({ since: event.target.value })}
          />
        )}
      </Field>
      <Field label="Before">
        {(given) => (
          <input
            {...given}
            type="datetime-local"
            value={wanted.until}
            onChange={(event) => onChange({ until: event.target.value })}
          />
        )}
      </Field>
    </form>
  );
}

type Row = AuditEvent & { number: number };

const COLUMNS: Column<Row>[] = [
  { title: "Time", header: true, cell: (one) => <Time at={one.at} /> },
  {
    title: "Event",
    cell: (one) => <span className="no-wrap">{KINDS[one.kind as Kind] ?? one.kind}</span>,
  },
  { title: "By", cell: (one) => one.by ?? one.peer ?? "" },
  {
    title: "Outcome",
    cell: ({ outcome, cause }) =>
      cause ? `${outcome}: ${cause}` : <span className="no-wrap">{outcome}</span>,
  },
  { title: "Scans", cell: (one) => <Scans keys={one.scans} /> },
  { title: "Details", cell: (one) => <Details event={one} /> },
];

function Scans({ keys }: { keys: string[] }) {
  if (keys.length === 0) return null;
  const [first, ...others] = keys;
  return (
    <>
      <Link to={`/scans/${first}`} className="mono" title={first}>
        {first?.slice(0, 8)}
      </Link>
      {others.length > 0 && <span className="muted"> and {others.length} more</span>}
    </>
  );
}

/** Facts that matter only when an event is examined. */
const MINOR = ["request", "status", "via"];

function Details({ event }: { event: AuditEvent }) {
  const facts = Object.entries(event.facts).filter(([, value]) => value !== null);
  const text = (some: typeof facts) =>
    some.map(([name, value]) => `${name} ${String(value)}`).join(", ");
  const minor = facts.filter(([name]) => MINOR.includes(name));
  const major = text(facts.filter(([name]) => !MINOR.includes(name)));
  return (
    <span className="muted wrap-anywhere" title={text(minor) || undefined}>
      {[event.route, major].filter(Boolean).join(", ")}
    </span>
  );
}
