import { Table } from "../parts/table";
import { Tag } from "../parts/tag";
import type { EcgFindings, EcgMeasures } from "./ecg-parts";
import { words } from "./measure-table";

type Lead = EcgMeasures["leads"][number];

const TONES = { good: "good", usable: "warn", unusable: "bad" } as const;

/** Each lead: how good it is, and its zero crossings. */
export function LeadTable({ findings }: { findings: EcgFindings }) {
  const quality = new Map((findings.measures?.leads ?? []).map((lead) => [lead.name, lead]));
  return (
    <section className="card stack" aria-labelledby="leads">
      <h2 id="leads">Leads</h2>
      <Table
        caption="Leads"
        rows={findings.crossings}
        rowKey={({ lead }) => lead}
        stacks="narrow"
        columns={[
          { title: "Lead", header: true, cell: ({ lead }) => lead },
          { title: "Quality", cell: ({ lead }) => <Grade lead={quality.get(lead)} /> },
          { title: "Noise, mV", right: true, cell: ({ lead }) => mv(quality.get(lead)?.noise_mv) },
          { title: "QRS, mV", right: true, cell: ({ lead }) => mv(quality.get(lead)?.qrs_mv) },
          {
            title: "Zero crossings",
            right: true,
            cell: (one) => one.zero_crossings?.toLocaleString("en-GB") ?? "not counted",
          },
        ]}
      />
    </section>
  );
}

function Grade({ lead }: { lead: Lead | undefined }) {
  if (!lead) return null;
  return (
    <>
      <Tag tone={TONES[lead.grade]}>{lead.grade}</Tag> {(lead.problems ?? []).map(words).join(", ")}
    </>
  );
}

function mv(value: number | null | undefined): string {
  return typeof value === "number" ? value.toFixed(value < 0.1 ? 3 : 2) : "";
}
