import type { ReactNode } from "react";

import { Button } from "./button";
import { Dialog } from "./dialog";
import { Note } from "./note";
import { Problem } from "./problem";

interface Props {
  title: string;
  /** The button that changes nothing. */
  keep: string;
  /** The button that removes. */
  remove: string;
  /** Whether it is known what would be removed. */
  ready?: boolean;
  busy: boolean;
  /** Why it was not removed. */
  problem?: Error | null;
  onClose: () => void;
  onRemove: () => void;
  /** What is removed, and what stays. */
  children: ReactNode;
}

/** Says what would be removed for good, and asks before it is. */
export function ConfirmRemoval(props: Props) {
  const { title, keep, remove, ready = true, busy, problem, onClose, onRemove, children } = props;
  return (
    <Dialog
      open
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{keep}</Button>
          <Button kind="danger" busy={busy} disabled={!ready} onClick={onRemove}>
            {remove}
          </Button>
        </>
      }
    >
      {ready && (
        <Note tone="warn" role="note">
          {children}
        </Note>
      )}
      {!ready && children}
      {problem && <Problem problem={problem} />}
    </Dialog>
  );
}
