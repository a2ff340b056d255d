import { mlText } from "../parts/formats";
import type { Vec3 } from "../viewer/geometry";
import { type BrainFindings, brainOf, type Lesion, type Report } from "./scan-api";

interface LesionsProps {
  report: Report;
  cursor: Vec3 | null;
  onShow(mm: Vec3): void;
}

const SIDES = ["RL", "AP", "SI"];

/** The place of a lesion for the viewer: in mm, or in voxels if the image has no place in space. */
function placeOf(lesion: Lesion): Vec3 {
  if (lesion.centroid_mm) return lesion.centroid_mm;
  const [x = 0, y = 0, z = 0] = lesion.centroid_voxel;
  return [x, y, z];
}

function lesionPlaceText(lesion: Lesion): string {
  if (!lesion.centroid_mm) {
    return `voxel ${lesion.centroid_voxel.map((index) => index.toFixed(1)).join(", ")}`;
  }
  return placeText(lesion.centroid_mm);
}

/** A place in mm of the scan's space, such as "R 12, A 3, S 40". */
export function placeText(place: Vec3): string {
  return place
    .map((mm, axis) => `${SIDES[axis]?.[mm < 0 ? 1 : 0]} ${Math.abs(mm).toFixed(0)}`)
    .join(", ");
}

function regionText(region: string): string {
  return region.replaceAll("_", " ");
}

/** How many lesions each region has, such as "3 periventricular (1.20 ml)". */
function regionCounts(lesions: NonNullable<BrainFindings["lesions"]>): string | null {
  if (!lesions.by_region) return null;
  return Object.entries(lesions.by_region)
    .map(([region, { count, volume_ml }]) => {
      const total = count > 0 && typeof volume_ml === "number" ? ` (${mlText(volume_ml)})` : "";
      return `${count} ${regionText(region)}${total}`;
    })
    .join(", ");
}

/** The lesions of a report. A click shows one in the viewer. */
export function Lesions({ report, cursor, onShow }: LesionsProps) {
  const findings = brainOf(report.findings);
  if (findings === null) return null;
  const { lesions, quality } = findings;
  // Reports by versions of 'volume' before 7 have only the flag.
  const missed =
    lesions?.missed ?? (quality.flags.includes("t1") ? "most lesions would be missed on T1" : null);
  const byRegion = lesions ? regionCounts(lesions) : null;
  const withheld = findings.registration?.withheld;
  return (
    <section className="card stack" aria-labelledby="lesions">
      <h2 id="lesions">Lesions</h2>
      {!lesions && <p>The image could not be analysed, so the report lists no lesions.</p>}
      {lesions?.count === 0 && <p>{missed === null ? "None found." : `None seen; ${missed}.`}</p>}
      {lesions && lesions.count > 0 && (
        <>
          <p>
            {lesions.count} {lesions.count === 1 ? "lesion" : "lesions"}
            {typeof lesions.volume_ml === "number" && `, ${mlText(lesions.volume_ml)} in total`}
            {lesions.count > lesions.largest.length &&
              `; the largest ${lesions.largest.length} are listed`}
            {missed !== null && `; ${missed}`}. Select one to see it in the image. Confidence, from
            0 to 1, is the analyzer&apos;s estimate of the probability that it is a lesion.
          </p>
          {byRegion !== null && (
            <p>By region: {byRegion}. Deep white matter means none of the other regions.</p>
          )}
          {typeof withheld === "string" && <p>No regions: {withheld}</p>}
          <LesionTable
            lesions={lesions.largest}
            onT1={new Map(findings.with_t1?.lesions.map((one) => [one.id, one.not_white]))}
            cursor={cursor}
            onShow={onShow}
          />
        </>
      )}
    </section>
  );
}

interface TableProps {
  lesions: Lesion[];
  /** The share of a lesion that T1 does not label as white matter, by the lesion's id. */
  onT1: ReadonlyMap<number, number>;
  cursor: Vec3 | null;
  onShow(mm: Vec3): void;
}

function LesionTable({ lesions, onT1, cursor, onShow }: TableProps) {
  const isHere = (lesion: Lesion) =>
    cursor !== null &&
    placeOf(lesion).every((mm, axis) => Math.abs(mm - (cursor[axis] ?? 0)) < 0.01);
  return (
    <div
      className="table-wrap lesion-table"
      data-stacks="narrow"
      tabIndex={0}
      role="region"
      aria-label="Table of lesions"
    >
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Lesion</th>
            <th scope="col">Size</th>
            <th scope="col">Place</th>
            <th scope="col" className="right">
              Brightness
            </th>
            <th scope="col" className="right">
              Confidence
            </th>
          </tr>
        </thead>
        <tbody>
          {lesions.map((lesion, n) => (
            <tr
              key={lesion.id ?? n}
              aria-current={isHere(lesion) || undefined}
              onClick={() => onShow(placeOf(lesion))}
            >
              <th scope="row">
                <button type="button" className="link">
                  <span className="in-cards">Lesion </span>
                  {lesion.id ?? n + 1}
                  <span className="visually-hidden"> show in the image</span>
                </button>
              </th>
              <td data-title="Size">
                <Size lesion={lesion} />
              </td>
              <td data-title="Place">
                <Place lesion={lesion} onT1={onT1.get(lesion.id ?? n + 1)} />
              </td>
              <td className="right" data-title="Brightness">
                {typeof lesion.intensity_ratio === "number"
                  ? `${lesion.intensity_ratio.toFixed(2)}×`
                  : ""}
              </td>
              <td className="right" data-title="Confidence">
                {typeof lesion.confidence === "number" ? lesion.confidence.toFixed(2) : ""}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How large a lesion is: its volume, and the box that it fits into. */
function Size({ lesion: { volume_ml, voxels, extent_mm } }: { lesion: Lesion }) {
  return (
    <div className="lesion-facts">
      <span>{typeof volume_ml === "number" ? mlText(volume_ml) : `${voxels} voxels`}</span>
      {extent_mm && (
        <span className="muted">{`${extent_mm.map((mm) => mm.toFixed(0)).join("×")} mm`}</span>
      )}
    </div>
  );
}

/** Where a lesion is: its region, its position in the scan, in MNI space and as a slice, and what
 * the T1 scan of the study shows there. */
function Place({ lesion, onT1 }: { lesion: Lesion; onT1: number | undefined }) {
  const { region, mni_mm, slice_number } = lesion;
  const also = [
    mni_mm && `MNI ${mni_mm.map((mm) => mm.toFixed(0)).join(", ")}`,
    slice_number && `slice ${slice_number}`,
    onT1 !== undefined && `T1: ${(100 * onT1).toFixed(0)} % not white matter`,
  ].filter((one) => typeof one === "string");
  const position = lesionPlaceText(lesion) + (lesion.centroid_mm ? " mm" : "");
  return (
    <>
      {region && <div>{regionText(region)}</div>}
      <div className="lesion-facts">
        <span>{position}</span>
        {also.map((one) => (
          <span key={one} className="muted">
            {one}
          </span>
        ))}
      </div>
    </>
  );
}
