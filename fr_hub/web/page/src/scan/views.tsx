import type { ComponentType } from "react";
import { createElement, lazy } from "react";

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

/** The views of scans that are no images, by the scan's type. A kind of scan with another view
 * gets a line here. */
const VIEWS: Record<string, ComponentType<ScanViewProps>> = {
  ecg: lazy(() => import("../ecg/ecg-view")),
};

/** Whether there is something to see: the voxels may have been removed. */
export function hasView(scan: Scan): boolean {
  const isKnown = scan.kind !== "signal" || (scan.scan_type ?? "") in VIEWS;
  return scan.has_voxels && scan.shape !== null && isKnown;
}

/** The view for the scan's type. */
export function ScanView(props: ScanViewProps) {
  return createElement(VIEWS[props.scan.scan_type ?? ""] ?? ImageView, props);
}
