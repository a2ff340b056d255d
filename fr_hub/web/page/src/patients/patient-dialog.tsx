import { type FormEvent, useId, useState } from "react";

import { asProblem } from "../api/problem";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/field";
import { Problem } from "../parts/problem";
import { type NewPatient, type Patient, type PatientChanges, useSavePatient } from "./queries";

interface Props {
  /** The patient to change; null: a new one. */
  patient: Patient | null;
  etag: string;
  onClose: () => void;
  onSaved: (id: string) => void;
}

interface Form {
  name: string;
  born: string;
  age: string;
  sex: Patient["sex"];
  conditions: string;
  identifiers: string;
  pseudonyms: string;
}

const SEXES: Patient["sex"][] = ["female", "male", "other", "unknown"];

/** The form of a patient. Lists have a line for each entry. */
export function PatientDialog({ onClose, onSaved, ...given }: Props) {
  // As they were when the form opened: the page reads the patient again meanwhile, and what
  // another person changed then must be refused here, not overwritten.
  const [{ patient, etag }] = useState(given);
  const [form, setForm] = useState(() => formOf(patient));
  // The same for each try, so that a lost answer does not add a patient twice.
  const [request] = useState(() => crypto.randomUUID());
  const save = useSavePatient(patient?.id ?? null);
  const id = useId();
  const errors = new Map(
    save.error ? asProblem(save.error).fields.map((one) => [one.field, one.message]) : [],
  );
  const change = (part: Partial<Form>) => setForm({ ...form, ...part });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(
      { patient: patient ? changesOf(formOf(patient), form) : patientOf(form), etag, request },
      {
        onSuccess: (saved) => {
          onSaved(saved.id);
          onClose();
        },
      },
    );
  };

  return (
    <Dialog
      open
      title={patient ? "Edit the patient" : "Add a patient"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={id} busy={save.isPending}>
            {patient ? "Save" : "Add"}
          </Button>
        </>
      }
    >
      <form id={id} className="stack" onSubmit={submit}>
        {save.isError && <Problem problem={save.error} />}
        <Field label="Name" error={errors.get("name")}>
          {(props) => (
            <input
              {...props}
              required
              autoFocus
              autoComplete="off"
              maxLength={200}
              value={form.name}
              onChange={(event) => change({ name: event.target.value })}
            />
          )}
        </Field>
        <div className="fields">
          <Field label="Date of birth" error={errors.get("birth_date")}>
            {(props) => (
              <input
                {...props}
                type="date"
                value={form.born}
                onChange={(event) => change({ born: event.target.value, age: "" })}
              />
            )}
          </Field>
          <Field label="Age" hint="If the date of birth is not known" error={errors.get("age")}>
            {(props) => (
              <input
                {...props}
                type="number"
                min={0}
                max={130}
                value={form.age}
                onChange={(event) => change({ age: event.target.value, born: "" })}
              />
            )}
          </Field>
          <Field label="Sex" error={errors.get("sex")}>
            {(props) => (
              <select
                {...props}
                value={form.sex}
                onChange={(event) => change({ sex: event.target.value as Patient["sex"] })}
              >
                {SEXES.map((sex) => (
                  <option key={sex}>{sex}</option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <Lines
          label="Identifiers"
          hint="One on each line, as the hospital writes it. You can put the issuer first, as in Example Hospital: 4711."
          error={errors.get("identifiers")}
          value={form.identifiers}
          onChange={(identifiers) => change({ identifiers })}
        />
        <Lines
          label="Conditions"
          hint="One on each line"
          error={errors.get("conditions")}
          value={form.conditions}
          onChange={(conditions) => change({ conditions })}
        />
        <Lines
          label="Pseudonyms"
          hint="One on each line. A patient has a separate pseudonym at each Fr-PACS, and one for uploads: `make pseudonym PACS_NAME=pacs-1`, or PACS_NAME=web for uploads, prints the pseudonym of an identifier."
          error={errors.get("pseudonyms")}
          value={form.pseudonyms}
          onChange={(pseudonyms) => change({ pseudonyms })}
        />
      </form>
    </Dialog>
  );
}

interface LinesProps {
  label: string;
  hint: string;
  error: string | undefined;
  value: string;
  onChange: (value: string) => void;
}

function Lines({ label, hint, error, value, onChange }: LinesProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(props) => (
        <textarea
          {...props}
          rows={2}
          spellCheck={false}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

function formOf(patient: Patient | null): Form {
  return {
    name: patient?.name ?? "",
    born: patient?.birth_date ?? "",
    age: patient && !patient.birth_date && patient.age !== null ? String(patient.age) : "",
    sex: patient?.sex ?? "unknown",
    conditions: patient?.conditions.join("\n") ?? "",
    identifiers:
      patient?.identifiers
        .map((one) => (one.system ? `${one.system}: ${one.value}` : one.value))
        .join("\n") ?? "",
    pseudonyms: patient?.pseudonyms.join("\n") ?? "",
  };
}

function linesOf(text: string): string[] {
  return [...new Set(text.split("\n").map((line) => line.trim()))].filter(Boolean);
}

/** Only what differs: an age, sent again, would count from today. */
function changesOf(before: Form, after: Form): PatientChanges {
  const all = patientOf(after);
  return {
    ...(before.name !== after.name && { name: all.name }),
    ...(before.born !== after.born && { birth_date: all.birth_date }),
    ...(before.age !== after.age && { age: all.age }),
    ...(before.sex !== after.sex && { sex: all.sex }),
    ...(before.conditions !== after.conditions && { conditions: all.conditions }),
    ...(before.identifiers !== after.identifiers && { identifiers: all.identifiers }),
    ...(before.pseudonyms !== after.pseudonyms && { pseudonyms: all.pseudonyms }),
  };
}

function patientOf(form: Form): NewPatient {
  return {
    name: form.name.trim(),
    birth_date: form.born || null,
    age: form.age === "" ? null : Number(form.age),
    sex: form.sex,
    conditions: linesOf(form.conditions),
    identifiers: linesOf(form.identifiers).map((line) => {
      const colon = line.lastIndexOf(": ");
      return colon < 0
        ? { value: line, system: null }
        : { system: line.slice(0, colon).trim(), value: line.slice(colon + 2).trim() };
    }),
    pseudonyms: linesOf(form.pseudonyms),
  };
}
