import { useState } from "react";
import { Link } from "react-router";

import { Field } from "../parts/field";
import { countText } from "../parts/formats";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import { type ChangedField, type Revision, type Scan, useChanges, useRevisions } from "./scan-api";
import { hasView } from "./views";

interface RevisionsProps {
  scan: Scan;
  /** null: the current one. */
  shown: number | null;
  onShow(revision: number | null): void;
}

/** The revisions of a report, and what changed between two. */
export function Revisions({ scan, shown, onShow }: RevisionsProps) {
  const found = useRevisions(scan.key);
  if (found.error) return <Problem problem={found.error} onRetry={() => void found.refetch()} />;
  const items = found.data ?? [];
  const [current] = items;
  if (!current) return null;
  return (
    <section className="card stack" aria-labelledby="revisions">
      <h2 id="revisions">Revisions</h2>
      <ul className="revisions">
        {items.map((item) => (
          <li key={item.revision} className="row spread">
            <label className="row">
              <input
                type="radio"
                name="revision"
                checked={item.revision === (shown ?? current.revision)}
                onChange={() => onShow(item === current ? null : item.revision)}
              />
              <span>
                {item.revision}: {item.analyzer} {item.version}
                {item === current && " (current)"}
              </span>
            </label>
            <span className="muted">
              <Time at={item.analysed_at} form="short" />
            </span>
          </li>
        ))}
      </ul>
      {items.length > 1 && <ChangesOf scan={scan} items={items} />}
    </section>
  );
}

function ChangesOf({ scan, items }: { scan: Scan; items: Revision[] }) {
  const numbers = items.map(({ revision }) => revision);
  const [from, setFrom] = useState(numbers[1] ?? 1);
  const [to, setTo] = useState(numbers[0] ?? 1);
  const changes = useChanges(scan.key, from, to);
  const key = encodeURIComponent(scan.key);
  const choice = (label: string, value: number, set: (revision: number) => void) => (
    <Field label={label}>
      {(props) => (
        <select {...props} value={value} onChange={(event) => set(Number(event.target.value))}>
          {numbers.map((revision) => (
            <option key={revision}>{revision}</option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <details className="stack">
      <summary>What changed between two revisions</summary>
      <div className="row">
        {choice("From", from, setFrom)}
        {choice("To", to, setTo)}
      </div>
      {changes.error && <Problem problem={changes.error} />}
      {changes.data && <ChangeTable changes={changes.data} from={from} to={to} />}
      {hasView(scan) && from !== to && (
        <p>
          <Link to={`/compare?a=${key}&a_revision=${from}&b=${key}&b_revision=${to}`}>
            Compare them in the image
          </Link>
        </p>
      )}
    </details>
  );
}

interface ChangeTableProps {
  changes: ChangedField[];
  from: number;
  to: number;
}

function ChangeTable({ changes, from, to }: ChangeTableProps) {
  if (!changes.length) return <p>Nothing changed between these revisions.</p>;
  return (
    <div className="table-wrap" tabIndex={0} role="region" aria-label="Changes">
      <table className="table changes">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Revision {from}</th>
            <th scope="col">Revision {to}</th>
          </tr>
        </thead>
        <tbody>
          {withT1AsOne(changes).map(({ field, before, after }) => (
            <tr key={field}>
              <th scope="row">{fieldText(field)}</th>
              <td className="wrap-anywhere">{valueText(before)}</td>
              <td className="wrap-anywhere">{valueText(after)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const WITH_T1 = "findings.with_t1";

/** The changes, with one for all that the T1 scan of the study adds. */
function withT1AsOne(changes: ChangedField[]): ChangedField[] {
  const isOfT1 = ({ field }: ChangedField) => field.startsWith(`${WITH_T1}.`);
  const ofT1 = changes.filter(isOfT1);
  const first = changes.findIndex(isOfT1);
  if (first === -1) return changes;
  const one: ChangedField = {
    field: WITH_T1,
    before: withT1Text(ofT1, "before"),
    after: withT1Text(ofT1, "after"),
  };
  return changes.flatMap((change, n) => (n === first ? one : isOfT1(change) ? [] : change));
}

function withT1Text(changes: ChangedField[], side: "before" | "after"): string {
  const find = (name: string) => changes.find(({ field }) => field === `${WITH_T1}.${name}`);
  const [scan, revision, withheld] = ["t1_scan", "t1_revision", "withheld"].map(find);
  if (scan && typeof scan[side] !== "string") return "none";
  const which = scan ? `the T1 scan ${String(scan[side]).slice(0, 8)}` : "the same T1 scan";
  const of = revision ? `${which}, revision ${String(revision[side])}` : which;
  const reason = withheld?.[side];
  return typeof reason === "string"
    ? `not read together with ${of}. ${reason}`
    : `read together with ${of}${scan ? "" : `; ${countText(changes.length, "value")} changed`}`;
}

/** `findings.lesions.largest.0.volume_ml` as `lesions, largest, 1, volume ml`. */
function fieldText(field: string): string {
  return field
    .replace(/^findings\./, "")
    .split(".")
    .map((part) => (/^\d+$/.test(part) ? String(Number(part) + 1) : part.replaceAll("_", " ")))
    .join(", ");
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}
