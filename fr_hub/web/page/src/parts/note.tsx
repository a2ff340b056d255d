import type { ReactNode } from "react";

interface Props {
  tone?: "info" | "warn" | "good" | "bad";
  /** `alert` is read out at once, `status` when the reader has finished a sentence, and `note` only
   * when it is come to: for what stands there from the beginning. */
  role?: "status" | "alert" | "note";
  children: ReactNode;
  action?: ReactNode;
}

/** Something to know, beside what the page shows. */
export function Note({ tone = "info", role = "status", children, action }: Props) {
  return (
    <div className="note" data-tone={tone} role={role}>
      <div>{children}</div>
      {action}
    </div>
  );
}
