import type { ReactNode } from "react";

/** Shown where there is nothing yet: says what to do. */
export function Empty(props: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{props.title}</h2>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

/** Shown while something loads, with room for it. */
export function Loading({ what }: { what?: string }) {
  return (
    <div className="loading" role="status">
      {what ? `Loading ${what}` : "Loading"}
    </div>
  );
}
