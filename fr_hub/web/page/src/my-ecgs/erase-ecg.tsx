import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Note } from "../parts/note";
import { Problem } from "../parts/problem";
import { useErase } from "./queries";

interface Props {
  id: string;
  onClose: () => void;
  onErased: () => void;
}

/** Says what erasing an ECG means, and does it. */
export function EraseEcg({ id, onClose, onErased }: Props) {
  const erase = useErase(id);
  return (
    <Dialog
      open
      title="Erase this ECG?"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Keep the ECG</Button>
          <Button
            kind="danger"
            busy={erase.isPending}
            onClick={() => erase.mutate(undefined, { onSuccess: onErased })}
          >
            Erase the ECG
          </Button>
        </>
      }
    >
      <Note tone="warn" role="note">
        This erases the recording and its report, for good. The same recording is refused if you
        send it again.
      </Note>
      {erase.isError && <Problem problem={erase.error} />}
    </Dialog>
  );
}
