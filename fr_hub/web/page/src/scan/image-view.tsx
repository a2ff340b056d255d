import { useMemo } from "react";

import type { Vec3 } from "../viewer/geometry";
import type { OverlayLabel, OverlaySource } from "../viewer/overlays";
import { Viewer } from "../viewer/viewer";
import { addressOf, type LabelMap, useLabelMaps } from "./scan-api";
import type { ScanViewProps } from "./views";

const COLOURS = ["#3d9cf0", "#46c07a", "#f0c53d", "#b26ef0", "#f07f3d", "#3dd6d0"];

/** How the known maps look; others are called by their names, with a colour for each label. */
const KNOWN: Record<string, { title: string; labels?: OverlayLabel[] }> = {
  lesions: { title: "Lesions", labels: [{ value: 0, title: "Lesion", colour: "#ff4d3d" }] },
  brain: { title: "Brain" },
  tissues: { title: "Tissues" },
  regions: { title: "Regions" },
};

/** A scan that is an image, with the label maps of its report. */
export default function ImageView({ scan, report, cursor, onCursor }: ScanViewProps) {
  const { key } = scan;
  const [width = 1, height = 1, depth = 1] = scan.shape ?? [];
  const source = useMemo(
    () => ({
      url: (level: number) => `${addressOf(key, "voxels.nii.gz")}?level=${level}`,
      shape: [width, height, depth] as Vec3,
    }),
    [key, width, height, depth],
  );
  const revision = report?.revision ?? null;
  const maps = useLabelMaps(key, revision, report !== null);
  const overlays = useMemo(
    () => (maps.data ?? []).map((map) => overlayOf(key, map, revision)),
    [key, maps.data, revision],
  );
  const isGuessed = report?.findings.quality.flags.includes("geometry_unknown");
  return (
    <Viewer
      title={`Image of scan ${scan.scan_id}`}
      source={source}
      overlays={overlays}
      cursor={cursor}
      onCursor={onCursor}
      caution={
        isGuessed ? "The file does not say which side is left: L and R may be swapped." : null
      }
    />
  );
}

function overlayOf(key: string, map: LabelMap, revision: number | null): OverlaySource {
  const known = KNOWN[map.name];
  const colours = map.values.map(({ value, meaning }, n) => ({
    value,
    title: meaning.charAt(0).toUpperCase() + meaning.slice(1),
    colour: COLOURS[n % COLOURS.length] ?? "#ffffff",
  }));
  return {
    name: map.name,
    title: known?.title ?? map.name,
    url: addressOf(key, `labels/${encodeURIComponent(map.name)}.nii.gz`, revision),
    labels: known?.labels ?? colours.slice(0, COLOURS.length),
    shown: map.name === "lesions",
  };
}
