import type { ChangeEvent, CSSProperties, MouseEvent } from "react";
import { Link } from "react-router";

import type { ScanSummary } from "../api/types";
import { contrastOf, countText, mlText, sizeText } from "../parts/formats";
import { StateTag, VerdictTag } from "../parts/tag";
import { Time } from "../parts/time";

interface Props {
  scan: ScanSummary;
  index: number;
  style: CSSProperties;
  isSelectable: boolean;
  isSelected: boolean;
  /** `isRange`: with Shift, all between this and the one before. */
  onSelect: (key: string, isRange: boolean) => void;
}

function kindOf(scan: ScanSummary): string {
  if (scan.kind === "signal") return scan.modality ?? "ECG";
  return [scan.modality, contrastOf(scan)].filter(Boolean).join(" ") || "–";
}

/** What was found, and what that is: lesions of a head, the heart rate of an ECG. */
function resultOf(scan: ScanSummary): { text: string; title: string } {
  if (scan.kind !== "signal") return { text: lesionsOf(scan), title: "Lesions and their volume" };
  const rate = scan.heart_rate_bpm;
  return { text: rate === null ? "–" : `${rate.toFixed(0)} bpm`, title: "Heart rate, per minute" };
}

function lesionsOf(scan: ScanSummary): string {
  if (scan.lesions === null) return "–";
  // Most lesions would be missed there, so that none was seen says little.
  if (scan.lesions === 0 && [scan.read_as, scan.contrast].includes("t1")) return "none seen (T1)";
  const count = countText(scan.lesions, "lesion");
  const volume = scan.lesion_volume_ml;
  return scan.lesions === 0 || volume === null ? count : `${count}, ${mlText(volume)}`;
}

/** The address of a scan's own page. */
export function scanAddress(key: string): string {
  return `/scans/${encodeURIComponent(key)}`;
}

/** One scan of the work list. */
export function ScanRow({ scan, index, style, isSelectable, isSelected, onSelect }: Props) {
  return (
    <div
      className="scan-row"
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelectable ? isSelected : undefined}
      style={style}
    >
      {isSelectable && (
        <div className="cell-check" role="cell">
          <input
            type="checkbox"
            aria-label={`Select ${scan.scan_id}`}
            checked={isSelected}
            onChange={(event: ChangeEvent<HTMLInputElement>) => {
              const native = event.nativeEvent as unknown as MouseEvent;
              onSelect(scan.key, native.shiftKey === true);
            }}
          />
        </div>
      )}
      <div className="cell-scan" role="cell">
        <Link to={scanAddress(scan.key)} title={scan.key}>
          {scan.scan_id}
        </Link>
      </div>
      <div className="cell-state" role="cell">
        <StateTag state={scan.state} />
        {scan.state === "waiting" && scan.priority && scan.priority !== "routine" && (
          <span className="muted"> {scan.priority}</span>
        )}
      </div>
      <div
        className="cell-subject mono"
        role="cell"
        title={scan.subject ?? undefined}
        data-empty={scan.subject === null || undefined}
      >
        {scan.subject ?? "–"}
      </div>
      <div className="cell-kind" role="cell">
        {kindOf(scan)} <span className="muted number">{sizeText(scan)}</span>
      </div>
      <div className="cell-result" role="cell">
        {scan.state === "failed" ? (
          <span className="cause" title={scan.cause ?? undefined}>
            {scan.cause ?? "–"}
          </span>
        ) : (
          <>
            <VerdictTag verdict={scan.verdict} />
            {scan.verdict !== null && (
              <span className="muted number" title={resultOf(scan).title}>
                {" "}
                {resultOf(scan).text}
              </span>
            )}
          </>
        )}
      </div>
      <div className="cell-pacs" role="cell">
        {scan.pacs ?? "–"}
      </div>
      <div className="cell-time number" role="cell">
        <Time at={scan.received_at ?? scan.ended_at} form="short" />
      </div>
    </div>
  );
}
