import { Icon } from "../parts/icon";
import { addressOf, type Report, type Scan, useLabelMaps } from "./scan-api";

/** What can be downloaded of a scan. */
export function Downloads({ scan, report }: { scan: Scan; report: Report | null }) {
  const { key } = scan;
  const revision = report?.revision ?? null;
  const maps = useLabelMaps(key, revision, report !== null);
  const files: [string, string, string][] = [];
  const add = (title: string, name: string, extension: string, at: number | null = null) =>
    files.push([title, addressOf(key, name, at), `${scan.scan_id}${extension}`]);
  if (scan.has_voxels && scan.kind !== "signal") add("Image (NIfTI)", "voxels.nii.gz", ".nii.gz");
  for (const { name } of (report && maps.data) || []) {
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)} (NIfTI)`;
    add(title, `labels/${encodeURIComponent(name)}.nii.gz`, `-${name}.nii.gz`, revision);
  }
  if (report) {
    add("Report (PDF)", "report.pdf", ".pdf", revision);
    add("Report (text)", "report.txt", ".txt", revision);
    add("Report (JSON)", "report", ".json", revision);
    if (report.picture_hash) add("Picture (PNG)", "picture.png", ".png", revision);
  }
  return (
    <section className="card stack" aria-labelledby="downloads">
      <h2 id="downloads">Downloads</h2>
      {!files.length && <p>There is nothing to download.</p>}
      <ul className="downloads">
        {files.map(([title, address, file]) => (
          <li key={title}>
            <a href={address} download={file}>
              <Icon name="download" />
              {title}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
