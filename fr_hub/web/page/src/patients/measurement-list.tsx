import { type ReactNode, useState } from "react";
import { Link } from "react-router";

import { Button } from "../parts/button";
import { ConfirmRemoval } from "../parts/confirm-removal";
import { Empty, Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { Icon } from "../parts/icon";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { Time } from "../parts/time";
import { KINDS, valueOf, whatOf } from "./kinds";
import { type Kind, type Measurement, useDeleteMeasurement, useMeasurements } from "./queries";

/** Measurements of a patient, or of all (`patient` null), the newest first. */
export function MeasurementList(props: { patient: string | null; empty?: ReactNode }) {
  const { patient, empty } = props;
  const [kind, setKind] = useState<Kind | null>(null);
  const [removing, setRemoving] = useState<Measurement | null>(null);
  const found = useMeasurements(patient, kind);
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];

  if (found.isError) {
    return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  }
  if (found.data && rows.length === 0 && kind === null) {
    return (
      <Empty title="No measurements yet" action={empty}>
        {patient
          ? "Add a blood pressure, a temperature or anything else that was measured."
          : "Measurements of all patients appear here. Open a patient to add one."}
      </Empty>
    );
  }
  return (
    <>
      <Field label="Kind">
        {(props) => (
          <select
            {...props}
            className="input narrow"
            value={kind ?? ""}
            onChange={(event) => setKind((event.target.value || null) as Kind | null)}
          >
            <option value="">All</option>
            {Object.entries(KINDS).map(([value, { label }]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      {found.isPending && <Loading what="measurements" />}
      {found.data && rows.length === 0 && <p className="muted">None of this kind.</p>}
      {rows.length > 0 && (
        <Table
          caption="Measurements"
          columns={columnsOf(patient, setRemoving)}
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
      {removing && <Remove measurement={removing} onClose={() => setRemoving(null)} />}
    </>
  );
}

function columnsOf(
  patient: string | null,
  onRemove: (one: Measurement) => void,
): Column<Measurement>[] {
  const columns: Column<Measurement>[] = [
    { title: "Measured", header: true, cell: whatOf },
    { title: "Value", cell: (one) => <span className="number">{valueOf(one)}</span> },
    { title: "Taken", cell: (one) => <Time at={one.taken_at} form="short" /> },
    { title: "Note", cell: (one) => one.note ?? "" },
  ];
  if (patient === null) {
    columns.push({
      title: "Patient",
      cell: (one) => <Link to={`/patients/${one.patient_id}`}>Open</Link>,
    });
  }
  columns.push({
    title: "Delete",
    cell: (one) => (
      <Button
        kind="plain"
        icon={<Icon name="close" />}
        aria-label={`Delete ${whatOf(one)} ${valueOf(one)}`}
        onClick={() => onRemove(one)}
      />
    ),
  });
  return columns;
}

function Remove({ measurement, onClose }: { measurement: Measurement; onClose: () => void }) {
  const remove = useDeleteMeasurement();
  return (
    <ConfirmRemoval
      title="Delete this measurement?"
      keep="Keep it"
      remove="Delete"
      busy={remove.isPending}
      problem={remove.error}
      onClose={onClose}
      onRemove={() => remove.mutate(measurement.id, { onSuccess: onClose })}
    >
      {whatOf(measurement)}: {valueOf(measurement)}, taken <Time at={measurement.taken_at} />. It
      cannot be restored.
    </ConfirmRemoval>
  );
}
