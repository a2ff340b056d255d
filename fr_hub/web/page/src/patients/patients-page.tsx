import { useState } from "react";
import { Link, useNavigate } from "react-router";

import { Button } from "../parts/button";
import { Empty, Loading } from "../parts/empty";
import { Field } from "../parts/field";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { useSettled } from "../parts/use-settled";
import { PatientDialog } from "./patient-dialog";
import { type Patient, type PatientSort, usePatients } from "./queries";

/** The patients of the tenant. What people search for stays out of the address, which browsers and
 * proxies keep. */
export function Component() {
  const [name, setName] = useState("");
  const [identifier, setIdentifier] = useState("");
  const [pseudonym, setPseudonym] = useState("");
  const [sort, setSort] = useState<PatientSort>("name");
  const [adding, setAdding] = useState(false);
  const navigate = useNavigate();
  const search = useSettled({ name: name.trim(), identifier: identifier.trim(), pseudonym, sort });
  const found = usePatients(search);
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  const searching = Boolean(search.name || search.identifier || search.pseudonym);

  return (
    <Page
      title="Patients"
      actions={
        <Button kind="primary" onClick={() => setAdding(true)}>
          Add a patient
        </Button>
      }
    >
      <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <Field label="Name">
          {(props) => (
            <input
              {...props}
              type="search"
              autoComplete="off"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Identifier">
          {(props) => (
            <input
              {...props}
              type="search"
              autoComplete="off"
              value={identifier}
              onChange={(event) => setIdentifier(event.target.value)}
            />
          )}
        </Field>
        <Field label="Pseudonym">
          {(props) => (
            <input
              {...props}
              type="search"
              autoComplete="off"
              maxLength={64}
              value={pseudonym}
              onChange={(event) => setPseudonym(event.target.value.trim())}
            />
          )}
        </Field>
        <Field label="Sort by">
          {(props) => (
            <select
              {...props}
              value={sort}
              onChange={(event) => setSort(event.target.value as PatientSort)}
            >
              <option value="name">Name, A to Z</option>
              <option value="-name">Name, Z to A</option>
              <option value="-created_at">Newest first</option>
              <option value="created_at">Oldest first</option>
            </select>
          )}
        </Field>
      </form>
      {found.isError && <Problem problem={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading what="patients" />}
      {found.data && rows.length === 0 && (
        <Empty
          title={searching ? "No patient matches" : "There are no patients yet"}
          action={!searching && <Button onClick={() => setAdding(true)}>Add a patient</Button>}
        >
          {searching
            ? "Check the spelling. Type the beginnings of words in a name, or the whole of an identifier or a pseudonym."
            : "Add a patient to record measurements, and to find all their scans in one place."}
        </Empty>
      )}
      {rows.length > 0 && (
        <Table
          caption="Patients"
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
      {adding && (
        <PatientDialog
          patient={null}
          etag=""
          onClose={() => setAdding(false)}
          onSaved={(id) => void navigate(`/patients/${id}`)}
        />
      )}
    </Page>
  );
}

const COLUMNS: Column<Patient>[] = [
  {
    title: "Name",
    header: true,
    cell: (one) => <Link to={`/patients/${one.id}`}>{one.name}</Link>,
  },
  { title: "Born", cell: (one) => <span className="no-wrap">{one.birth_date}</span> },
  { title: "Age", cell: (one) => one.age ?? "", right: true },
  { title: "Sex", cell: (one) => one.sex },
  { title: "Identifiers", cell: (one) => one.identifiers.map((each) => each.value).join(", ") },
  { title: "Conditions", cell: (one) => one.conditions.join(", ") },
];
