import { useId } from "react";

interface Props {
  label: string;
  /** Of 0 to 1; null: nobody knows how far it is. */
  value: number | null;
  /** What to say beside it, such as `12 of 40 MiB`. */
  children?: string;
}

/** How far something is. */
export function Progress({ label, value, children }: Props) {
  const id = useId();
  return (
    <div className="progress">
      <div className="row spread">
        <label htmlFor={id}>{label}</label>
        <span className="muted number">
          {children ?? (value === null ? "" : `${Math.round(value * 100)} %`)}
        </span>
      </div>
      <progress id={id} max={1} value={value ?? undefined} />
    </div>
  );
}
