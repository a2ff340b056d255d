import { useState } from "react";
import { Link } from "react-router";

import { Field } from "../parts/field";
import { Problem } from "../parts/problem";
import { Time } from "../parts/time";
import { readableChanges } from "./readable-changes";
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
          {readableChanges(changes).map(({ what, before, after }) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              <td className="wrap-anywhere">{before}</td>
              <td className="wrap-anywhere">{after}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
