import { useState } from "react";
import { Link, useParams } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Table } from "../parts/table";
import { StateTag } from "../parts/tag";
import { Time } from "../parts/time";
import { DeletePatient } from "./delete-patient";
import { MeasurementDialog } from "./measurement-dialog";
import { MeasurementList } from "./measurement-list";
import { PatientDialog } from "./patient-dialog";
import { type Patient, usePatient, usePatientScans } from "./queries";
import { Trends } from "./trends";

/** A patient, with measurements and scans. */
export function Component() {
  const { id = "" } = useParams();
  const found = usePatient(id);
  const [open, setOpen] = useState<"change" | "delete" | "measure" | null>(null);
  const close = () => setOpen(null);

  if (!found.data) {
    return (
      <Page title="Patient">
        {found.error ? (
          <Problem problem={found.error} onRetry={() => void found.refetch()} />
        ) : (
          <Loading what="the patient" />
        )}
      </Page>
    );
  }
  const { data: patient, etag } = found.data;
  return (
    <Page
      title={patient.name}
      actions={
        <>
          <Button kind="primary" onClick={() => setOpen("measure")}>
            Add a measurement
          </Button>
          <Button onClick={() => setOpen("change")}>Edit</Button>
          <Button kind="danger" onClick={() => setOpen("delete")}>
            Delete
          </Button>
        </>
      }
    >
      <Facts patient={patient} />
      <section className="stack" aria-labelledby="trends">
        <h2 id="trends">Trends</h2>
        <Trends patient={id} />
      </section>
      <section className="stack" aria-labelledby="measurements">
        <h2 id="measurements">Measurements</h2>
        <MeasurementList
          patient={id}
          empty={<Button onClick={() => setOpen("measure")}>Add a measurement</Button>}
        />
      </section>
      <section className="stack" aria-labelledby="scans">
        <h2 id="scans">Scans</h2>
        <Scans patient={patient} />
      </section>
      {open === "change" && (
        <PatientDialog patient={patient} etag={etag} onClose={close} onSaved={() => undefined} />
      )}
      {open === "measure" && <MeasurementDialog patient={id} onClose={close} />}
      {open === "delete" && <DeletePatient patient={patient} onClose={close} />}
    </Page>
  );
}

function Facts({ patient }: { patient: Patient }) {
  const rows: [string, string][] = [
    ["Born", patient.birth_date ?? ""],
    ["Age", ageOf(patient)],
    ["Sex", patient.sex],
    ["Conditions", patient.conditions.join(", ")],
    [
      "Identifiers",
      patient.identifiers
        .map((one) => (one.system ? `${one.value} (${one.system})` : one.value))
        .join(", "),
    ],
    ["Pseudonyms", patient.pseudonyms.join(", ")],
  ];
  return (
    <dl className="facts card">
      {rows
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function ageOf(patient: Patient): string {
  if (patient.age === null) return "";
  return patient.age_as_of && !patient.birth_date
    ? `${patient.age} on ${patient.age_as_of}`
    : String(patient.age);
}

function Scans({ patient }: { patient: Patient }) {
  const found = usePatientScans(patient.id);
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  if (found.isError) {
    return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  }
  if (found.isPending) return <Loading what="scans" />;
  if (rows.length === 0) {
    return (
      <Empty title="No scans yet">
        {patient.pseudonyms.length === 0
          ? "Edit the patient, and add the pseudonym under which a Fr-PACS sends the scans."
          : "No scan has arrived under the pseudonyms of this patient."}
      </Empty>
    );
  }
  return (
    <>
      <Table
        caption="Scans"
        rows={rows}
        rowKey={(one) => one.key}
        columns={[
          {
            title: "Scan",
            header: true,
            cell: (one) => (
              <Link to={`/scans/${one.key}`} className="mono wrap-anywhere">
                {one.key}
              </Link>
            ),
          },
          { title: "State", cell: (one) => <StateTag state={one.state} /> },
          { title: "Received", cell: (one) => <Time at={one.received_at} form="short" /> },
          { title: "Modality", cell: (one) => one.modality ?? "" },
        ]}
      />
      {found.hasNextPage && (
        <Button busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
