import { Button } from "../parts/button";
import { countText } from "../parts/formats";
import { type ChangeKind, WORDS } from "./changes";

const KINDS: ChangeKind[] = ["requeue", "reanalyze", "priority", "erase"];

interface Props {
  count: number;
  onChange: (kind: ChangeKind) => void;
  onClear: () => void;
}

/** What can be done to the selected scans. */
export function SelectionBar({ count, onChange, onClear }: Props) {
  if (count === 0) return null;
  return (
    <div className="selection-bar" role="region" aria-label="Selected scans">
      <strong className="number" role="status">
        {countText(count, "scan")} selected
      </strong>
      <div className="row">
        {KINDS.map((kind) => (
          <Button
            key={kind}
            kind={kind === "erase" ? "danger" : "normal"}
            onClick={() => onChange(kind)}
          >
            {WORDS[kind].verb}
          </Button>
        ))}
        <Button kind="plain" onClick={onClear}>
          Clear
        </Button>
      </div>
    </div>
  );
}
