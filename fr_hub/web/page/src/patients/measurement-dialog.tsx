import { type FormEvent, useId, useState } from "react";

import { asProblem } from "../api/problem";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/field";
import { Problem } from "../parts/problem";
import { KINDS, unitName } from "./kinds";
import { type Kind, type NewMeasurement, useAddMeasurement } from "./queries";

interface Form {
  kind: Kind;
  value: string;
  diastolic: string;
  unit: string;
  what: string;
  at: string;
  note: string;
}

/** The form of a measurement. */
export function MeasurementDialog({ patient, onClose }: { patient: string; onClose: () => void }) {
  const [form, setForm] = useState<Form>(() => ({
    kind: "blood_pressure",
    value: "",
    diastolic: "",
    unit: KINDS.blood_pressure.units[0] ?? "",
    what: "",
    at: localNow(),
    note: "",
  }));
  // The same for each try, so that a lost answer does not add it twice.
  const [request] = useState(() => crypto.randomUUID());
  const add = useAddMeasurement(patient);
  const id = useId();
  const fields = add.error ? asProblem(add.error).fields : [];
  const errors = new Map(fields.map((one) => [one.field, one.message]));
  const change = (part: Partial<Form>) => setForm({ ...form, ...part });
  const isPressure = form.kind === "blood_pressure";

  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate({ measurement: measurementOf(form), request }, { onSuccess: onClose });
  };

  return (
    <Dialog
      open
      title="Add a measurement"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={id} busy={add.isPending}>
            Add
          </Button>
        </>
      }
    >
      <form id={id} className="stack" onSubmit={submit}>
        {add.isError && <Problem problem={add.error} />}
        <div className="fields">
          <Field label="Measurement">
            {(props) => (
              <select
                {...props}
                autoFocus
                value={form.kind}
                onChange={(event) => {
                  const kind = event.target.value as Kind;
                  change({ kind, unit: KINDS[kind].units[0] ?? "" });
                }}
              >
                {Object.entries(KINDS).map(([value, { label }]) => (
                  <option key={value} value={value}>
                    {label}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {form.kind === "other" && (
            <Field label="What" hint="Its name, such as Glucose" error={errors.get("code")}>
              {(props) => (
                <input
                  {...props}
                  required
                  value={form.what}
                  onChange={(event) => change({ what: event.target.value })}
                />
              )}
            </Field>
          )}
        </div>
        <div className="fields">
          <NumberField
            label={isPressure ? "Systolic" : "Value"}
            error={errors.get("value") ?? errors.get("components")}
            value={form.value}
            onChange={(value) => change({ value })}
          />
          {isPressure && (
            <NumberField
              label="Diastolic"
              error={undefined}
              value={form.diastolic}
              onChange={(diastolic) => change({ diastolic })}
            />
          )}
          <Unit form={form} error={errors.get("unit")} onChange={(unit) => change({ unit })} />
        </div>
        <Field label="Taken at" hint="In this device's time zone" error={errors.get("taken_at")}>
          {(props) => (
            <input
              {...props}
              type="datetime-local"
              required
              value={form.at}
              onChange={(event) => change({ at: event.target.value })}
            />
          )}
        </Field>
        <Field label="Note" error={errors.get("note")}>
          {(props) => (
            <textarea
              {...props}
              rows={2}
              value={form.note}
              onChange={(event) => change({ note: event.target.value })}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}

interface NumberFieldProps {
  label: string;
  error: string | undefined;
  value: string;
  onChange: (value: string) => void;
}

function NumberField({ label, error, value, onChange }: NumberFieldProps) {
  return (
    <Field label={label} error={error}>
      {(props) => (
        <input
          {...props}
          type="number"
          step="any"
          required
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

interface UnitProps {
  form: Form;
  error: string | undefined;
  onChange: (unit: string) => void;
}

function Unit({ form, error, onChange }: UnitProps) {
  const { units } = KINDS[form.kind];
  if (units.length === 0) {
    return (
      <Field label="Unit" hint="A UCUM unit, such as mmol/L; 1 if there is none" error={error}>
        {(props) => (
          <input
            {...props}
            required
            value={form.unit}
            onChange={(event) => onChange(event.target.value)}
          />
        )}
      </Field>
    );
  }
  return (
    <Field label="Unit" error={error}>
      {(props) => (
        <select {...props} value={form.unit} onChange={(event) => onChange(event.target.value)}>
          {units.map((unit) => (
            <option key={unit} value={unit}>
              {unitName(unit)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function measurementOf(form: Form): NewMeasurement {
  const common = {
    kind: form.kind,
    taken_at: new Date(form.at).toISOString(),
    note: form.note.trim() || null,
  };
  const value = Number(form.value);
  if (form.kind === "blood_pressure") {
    const { unit } = form;
    const components = [
      { code: "systolic", value, unit },
      { code: "diastolic", value: Number(form.diastolic), unit },
    ];
    return { ...common, components };
  }
  const code = form.kind === "other" ? { display: form.what.trim() } : null;
  return { ...common, code, value, unit: form.unit.trim() };
}

/** Now, as inputs of the type `datetime-local` have it. */
function localNow(): string {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
