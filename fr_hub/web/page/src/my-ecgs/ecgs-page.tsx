import { Link } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { durationText, numberText } from "../parts/formats";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { StateTag, VerdictTag } from "../parts/tag";
import { Time } from "../parts/time";
import { type Ecg, useEcgs } from "./queries";
import { SendEcgs } from "./send-ecgs";

/** The user's own ECGs, which nobody else sees, and where to send more. */
export function Component() {
  const found = useEcgs();
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title="Your ECGs">
      <SendEcgs />
      {found.isError && <Problem problem={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading what="your ECGs" />}
      {found.data && rows.length === 0 && (
        <Empty title="You have no ECGs yet">
          Drop a recording above. Its zero crossings, heart rate and intervals appear here within
          seconds.
        </Empty>
      )}
      {rows.length > 0 && (
        <Table
          caption="Your ECGs"
          columns={COLUMNS}
          rows={rows}
          rowKey={(one) => one.id}
          stacks="narrow"
        />
      )}
      {found.hasNextPage && (
        <Button busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </Page>
  );
}

const COLUMNS: Column<Ecg>[] = [
  {
    title: "Received",
    header: true,
    cell: (one) => (
      <Link to={`/my-ecgs/${one.id}`}>
        {one.received_at ? <Time at={one.received_at} form="short" /> : one.id.slice(0, 8)}
      </Link>
    ),
  },
  { title: "State", cell: (one) => <StateTag state={one.state} /> },
  {
    title: "Heart rate",
    cell: (one) =>
      one.heart_rate_bpm === null ? "" : `${one.heart_rate_bpm.toFixed(0)} per minute`,
    right: true,
  },
  { title: "Quality", cell: (one) => <VerdictTag verdict={one.verdict} /> },
  { title: "Leads", cell: (one) => leadsText(one.leads) },
  { title: "Length", cell: lengthText, right: true },
];

function leadsText(leads: readonly string[]): string {
  return leads.length > 3 ? `${leads.length} leads` : leads.join(", ");
}

/** How long an ECG is; in samples if its rate is not known. */
function lengthText({ duration_s, samples }: Ecg): string {
  if (duration_s !== null) return durationText(duration_s, 1);
  return samples === null ? "" : `${numberText(samples)} samples`;
}
