import { asProblem } from "../api/problem";
import { Button } from "./button";
import { Note } from "./note";

const UNAUTHORIZED = 401;

interface Props {
  /** What went wrong: a problem of the API, or any error. */
  problem: unknown;
  /** Tries it again. */
  onRetry?: () => void;
}

/** An error: what happened, what to do, and the number to tell an administrator. */
export function Problem({ problem, onRetry }: Props) {
  const { title, detail, fields, requestId, status } = asProblem(problem);
  return (
    <Note tone="bad" role="alert" action={onRetry && <Button onClick={onRetry}>Try again</Button>}>
      {fields.length > 0 ? (
        <strong>Correct these entries</strong>
      ) : (
        <>
          {status !== UNAUTHORIZED && <strong>{title}</strong>}
          <p>{detail}</p>
        </>
      )}
      {fields.length > 0 && (
        <ul>
          {fields.map(({ field, message }) => (
            <li key={field + message}>
              {field ? `${field}: ` : ""}
              {message}
            </li>
          ))}
        </ul>
      )}
      {requestId && status >= 500 && (
        <p className="muted">
          Request number: <code>{requestId}</code>
        </p>
      )}
    </Note>
  );
}
