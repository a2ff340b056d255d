import { type ReactNode, useEffect, useId, useRef } from "react";

import { Button } from "./button";
import { Icon } from "./icon";

interface Props {
  open: boolean;
  title: string;
  /** What Escape and the button do; null: it cannot be closed. */
  onClose: (() => void) | null;
  children: ReactNode;
  /** The buttons. */
  footer?: ReactNode;
  /** `drawer`: at the left edge of the window; a link inside and a click beside it close it. */
  shape?: "centred" | "drawer";
}

/** A dialog over the page: the browser keeps the focus inside, and gives it back afterwards. */
export function Dialog({ open, title, onClose, children, footer, shape = "centred" }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || !open) return;
    dialog.showModal();
    return () => dialog.close();
  }, [open]);
  if (!open) return null;
  return (
    <dialog
      ref={ref}
      className="dialog"
      data-shape={shape}
      aria-labelledby={id}
      onClick={(event) => {
        if (shape !== "drawer") return;
        const target = event.target as HTMLElement;
        if (target === ref.current || target.closest("a")) onClose?.();
      }}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {onClose && (
          <Button
            kind="plain"
            icon={<Icon name="close" />}
            aria-label="Close"
            onClick={() => onClose()}
          />
        )}
      </header>
      <div className="body">{children}</div>
      {footer && <footer>{footer}</footer>}
    </dialog>
  );
}
