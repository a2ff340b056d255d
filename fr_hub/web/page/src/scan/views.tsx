import type { ComponentType } from "react";
import { lazy } from "react";

import type { Vec3 } from "../viewer/geometry";
import type { Report, Scan } from "./scan-api";

/** What a view of a scan gets. */
export interface ScanViewProps {
  scan: Scan;
  report: Report | null;
  /** The place under the crosshair, mm; null: the middle. */
  cursor: Vec3 | null;
  onCursor(mm: Vec3): void;
}

const ImageView = lazy(() => import("./image-view"));

/** The views of scans that are no images, by the scan's type. A kind of scan with a view of its own
 * gets a line here. */
const VIEWS: Record<string, ComponentType<ScanViewProps>> = {};

/** The view for a scan; null: there is nothing to see, as its voxels were removed. */
export function viewOf(scan: Scan): ComponentType<ScanViewProps> | null {
  if (!scan.has_voxels || !scan.shape) return null;
  return VIEWS[scan.scan_type ?? ""] ?? ImageView;
}
