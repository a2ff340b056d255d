import { type ReactNode, useEffect, useRef } from "react";

let opened = 0;

interface Props {
  title: string;
  /** Buttons and links beside the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page inside the shell. Its heading gets the focus, so that screen readers tell where one is. */
export function Page({ title, actions, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Fr`;
  }, [title]);
  useEffect(() => {
    // Not on the first page: there the browser tells.
    if (opened++ > 0) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="page">
      <div className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions && <div className="row">{actions}</div>}
      </div>
      {children}
    </div>
  );
}
