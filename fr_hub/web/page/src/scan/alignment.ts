import type { Vec3 } from "../viewer/geometry";
import { brainOf, type Report } from "./scan-api";

/** From a place in one scan to the same place in another, and back; mm. */
export interface Alignment {
  there(mm: Vec3): Vec3;
  back(mm: Vec3): Vec3;
}

const SAME: Alignment = { there: (mm) => mm, back: (mm) => mm };

type Row = readonly [number, number, number, number];

function rigid(rows: readonly [Row, Row, Row]): Alignment {
  const shift = rows.map((row) => row[3]) as Vec3;
  return {
    there: (mm) =>
      rows.map((row) => row[0] * mm[0] + row[1] * mm[1] + row[2] * mm[2] + row[3]) as Vec3,
    back: (mm) => {
      const away = mm.map((value, axis) => value - (shift[axis] ?? 0));
      const along = (axis: 0 | 1 | 2) =>
        rows.reduce((sum, row, place) => sum + row[axis] * (away[place] ?? 0), 0);
      return [along(0), along(1), along(2)];
    },
  };
}

/** How another scan that a report names, an earlier one or the T1 scan of the study, lies against
 * its own; null if the report does not say that of the other scan. */
function toOther(report: Report | undefined, other: Report | undefined): Alignment | null {
  const findings = report && brainOf(report.findings);
  if (!findings || !other || report.pacs !== other.pacs) return null;
  const { follow_up: followUp, with_t1: withT1 } = findings;
  if (followUp?.previous_scan === other.scan_id && followUp.to_previous) {
    return rigid(followUp.to_previous);
  }
  return withT1?.t1_scan === other.scan_id && withT1.to_t1 ? rigid(withT1.to_t1) : null;
}

/** How the head in one image lies against that in another: by the report that compares them, else
 * as if both had the same coordinates. */
export function alignmentOf(left: Report | undefined, right: Report | undefined): Alignment {
  const forth = toOther(left, right);
  if (forth) return forth;
  const back = toOther(right, left);
  return back ? { there: back.back, back: back.there } : SAME;
}

/** Whether the two images are aligned by a report. */
export function isAligned(alignment: Alignment): boolean {
  return alignment !== SAME;
}
