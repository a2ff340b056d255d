import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Link } from "react-router";

type Kind = "primary" | "danger" | "plain" | "normal";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Kind;
  /** What it started is under way: it waits, and says so to screen readers. */
  busy?: boolean;
  icon?: ReactNode;
}

/** A button. One that has only an icon needs an `aria-label`. */
export function Button({ kind = "normal", busy = false, icon, children, ...others }: Props) {
  return (
    <button
      type="button"
      className="button"
      {...others}
      data-kind={kind}
      data-icon-only={icon && !children ? true : undefined}
      disabled={others.disabled || busy}
      aria-busy={busy || undefined}
    >
      {icon}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function LinkButton(props: { to: string; kind?: Kind; icon?: ReactNode; children: string }) {
  return (
    <Link className="button" data-kind={props.kind ?? "normal"} to={props.to}>
      {props.icon}
      {props.children}
    </Link>
  );
}
