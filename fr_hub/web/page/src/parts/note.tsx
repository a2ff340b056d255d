import type { ReactNode } from "react";

interface Props {
  tone?: "info" | "warn" | "good" | "bad";
  children: ReactNode;
  action?: ReactNode;
}

/** Something to know, beside what the page shows. */
export function Note({ tone = "info", children, action }: Props) {
  return (
    <div className="note" data-tone={tone} role="status">
      <div>{children}</div>
      {action}
    </div>
  );
}
