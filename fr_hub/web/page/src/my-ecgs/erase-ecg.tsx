import { ConfirmRemoval } from "../parts/confirm-removal";
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
    <ConfirmRemoval
      title="Erase this ECG?"
      keep="Keep the ECG"
      remove="Erase the ECG"
      busy={erase.isPending}
      problem={erase.error}
      onClose={onClose}
      onRemove={() => erase.mutate(undefined, { onSuccess: onErased })}
    >
      This erases the recording and its report, for good. The same recording is refused if you send
      it again.
    </ConfirmRemoval>
  );
}
