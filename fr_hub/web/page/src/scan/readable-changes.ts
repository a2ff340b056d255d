import { countText, mlText } from "../parts/formats";
import { placeText } from "./lesions";
import type { ChangedField } from "./scan-api";

/** What changed, for people: a row of the table of changes. */
export interface ReadableChange {
  what: string;
  before: string;
  after: string;
}

type Side = "before" | "after";

const WITH_T1 = "findings.with_t1";
const FOLLOW_UP = "findings.follow_up";
const LESION = /^findings\.lesions\.largest\.\d+/;
const COUNTS = ["new", "grown", "shrunk", "stable", "gone", "doubtful"];

/** The changed fields as rows: one for each lesion, for each list, for the comparison with the
 * previous scan, and for the T1 scan. */
export function readableChanges(changes: readonly ChangedField[]): ReadableChange[] {
  const groups = new Map<string, ChangedField[]>();
  for (const change of changes) {
    const group = groupOf(change.field);
    groups.set(group, [...(groups.get(group) ?? []), change]);
  }
  return [...groups].map(([group, fields]) => ({
    what: nameOf(group),
    before: groupText(group, fields, "before"),
    after: groupText(group, fields, "after"),
  }));
}

function groupOf(field: string): string {
  for (const whole of [WITH_T1, FOLLOW_UP]) {
    if (field.startsWith(`${whole}.`)) return whole;
  }
  return LESION.exec(field)?.[0] ?? field.replace(/\.\d+(\..*)?$/, "").replace(/\.\d+\..*$/, "");
}

/** `findings.lesions.count` as `lesions, count`. */
function nameOf(group: string): string {
  if (group === FOLLOW_UP) return "since the previous scan";
  if (LESION.test(group)) return `lesion ${Number(group.split(".").at(-1)) + 1}`;
  return group
    .replace(/^findings\./, "")
    .replaceAll("_", " ")
    .split(".")
    .join(", ");
}

function groupText(group: string, fields: ChangedField[], side: Side): string {
  if (group === WITH_T1) return withT1Text(fields, side);
  if (group === FOLLOW_UP) return followUpText(fields, side);
  if (LESION.test(group)) return lesionText(group, fields, side);
  const values = fields.map((one) => one[side]).filter((value) => value !== null);
  const [first] = fields;
  if (first?.field === group) return valueText(group, first[side]);
  if (!values.length) return "none";
  // A list of texts, such as reasons, or of numbers, such as a matrix.
  const texts = values.every((value) => typeof value === "string");
  return texts ? values.join("; ") : countText(values.length, "value");
}

function withT1Text(fields: ChangedField[], side: Side): string {
  const find = (name: string) => fields.find(({ field }) => field === `${WITH_T1}.${name}`);
  const [scan, revision, withheld] = ["t1_scan", "t1_revision", "withheld"].map(find);
  if (scan && typeof scan[side] !== "string") return "none";
  const which = scan ? `the T1 scan ${String(scan[side]).slice(0, 8)}` : "the same T1 scan";
  const of = revision ? `${which}, revision ${String(revision[side])}` : which;
  const reason = withheld?.[side];
  return typeof reason === "string"
    ? `not read together with ${of}. ${reason}`
    : `read together with ${of}${scan ? "" : `; ${countText(fields.length, "value")} changed`}`;
}

/** Such as "compared with 0123abcd: 2 new, 1 grown". */
function followUpText(fields: ChangedField[], side: Side): string {
  const valueOf = (name: string) =>
    fields.find(({ field }) => field === `${FOLLOW_UP}.${name}`)?.[side];
  const previous = valueOf("previous_scan");
  if (previous === null) return "none";
  const which = typeof previous === "string" ? `scan ${previous.slice(0, 8)}` : "the same scan";
  const reason = valueOf("withheld");
  if (typeof reason === "string") return `not compared with ${which}. ${reason}`;
  const counts = COUNTS.flatMap((name) => {
    const count = valueOf(name);
    return typeof count === "number" ? [`${count} ${name}`] : [];
  });
  const brain = valueOf("brain_change_percent");
  if (typeof brain === "number") {
    counts.push(`brain volume ${brain > 0 ? "+" : ""}${brain.toFixed(1)} %`);
  }
  return `compared with ${which}${counts.length ? `: ${counts.join(", ")}` : ""}`;
}

/** What changed of a lesion, such as "1.73 ml, at R 2, A 14, S 10 mm, confidence 0.80". */
function lesionText(group: string, fields: ChangedField[], side: Side): string {
  const values = new Map(fields.map((one) => [one.field.slice(group.length + 1), one[side]]));
  if ([...values.values()].every((value) => value === null)) return "not listed";
  const parts: string[] = [];
  const [ml, voxels] = [values.get("volume_ml"), values.get("voxels")];
  if (typeof ml === "number") parts.push(mlText(ml));
  else if (typeof voxels === "number") parts.push(countText(voxels, "voxel"));
  const region = values.get("region");
  if (typeof region === "string") parts.push(region.replaceAll("_", " "));
  const place = [0, 1, 2].map((axis) => values.get(`centroid_mm.${axis}`));
  const [x, y, z] = place;
  if (typeof x === "number" && typeof y === "number" && typeof z === "number") {
    parts.push(`at ${placeText([x, y, z])} mm`);
  }
  for (const [name, title] of [
    ["intensity_ratio", "brightness"],
    ["confidence", "confidence"],
  ] as const) {
    const value = values.get(name);
    if (typeof value === "number") parts.push(`${title} ${value.toFixed(2)}`);
  }
  return parts.length ? parts.join(", ") : `${countText(values.size, "value")} changed`;
}

function valueText(field: string, value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "number" && field.endsWith("_ml")) return mlText(value);
  if (typeof value === "number" && field.endsWith("_percent")) return `${value.toFixed(1)} %`;
  return String(value as string | number | boolean);
}
