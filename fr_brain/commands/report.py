"""``fr report``: write the report of a scan as JSON, text and a picture.

The picture is drawn here from the stored voxels. The analyzer outlines the lesions again; the
command checks that it finds as many as the report lists.
"""

import json
import sys
from pathlib import Path

from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.domain.scan import BrainScan
from common.errors import AnalysisError, SettingsError, VoxelsDamaged
from common.runtime.console import Console, write_text
from common.runtime.entry_point import run_unit
from common.runtime.files import write_whole
from common.runtime.lifecycle import Exit
from common.settings.commands import ReportSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.store.opening import open_existing_store
from fr_brain.analyzers.base import Overlay
from fr_brain.analyzers.registry import Registry, load_analyzers
from fr_brain.analyzers.running import overlay_of
from fr_brain.pictures.illustration import illustrate
from fr_brain.voxels import Voxels, checked_hash, voxels_of


def write_files(store: DBManager, registry: Registry, scan_id: str, folder: Path) -> BrainReport:
    """Write ``<scan_id>.json``, ``.txt`` and, of an image, ``.png``, replacing existing files.

    Raises:
        SettingsError: the store has no such report, or the folder cannot be written.
        VoxelsDamaged: the voxels are missing or damaged; JSON and text are written.
        AnalysisError: the analyzer finds other lesions than the report lists; JSON and text are
            written.
    """
    key = store.queries.keys_of([scan_id]).get(scan_id, scan_id)
    found = store.revisions.reported(key)
    if found is None:
        raise SettingsError(f"ID={scan_id!r}: the store has no report of this id")
    claim, report = found
    content = json.dumps(report.model_dump(mode="json"), indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{report.scan_id}.txt", report_text(report).encode())
        write_whole(folder / f"{report.scan_id}.json", content.encode())
        if claim.scan.kind == "image":
            picture = picture_of(store, registry, claim, report)
            write_whole(folder / f"{report.scan_id}.png", picture)
    except OSError as error:
        raise SettingsError(f"OUT={str(folder)!r}: {error.strerror}") from error
    return report


def picture_of(store: DBManager, registry: Registry, claim: Claim, report: BrainReport) -> bytes:
    """Draw the picture of a stored scan; returns a PNG.

    Raises:
        VoxelsDamaged: the voxels are missing or damaged.
        AnalysisError: the analyzer finds other lesions than the report lists.
    """
    scan = claim.scan
    if claim.voxels is None and claim.blob is None:
        raise VoxelsDamaged(f"the voxels of {scan.key} were deleted")
    try:
        voxels = voxels_of(claim, store.claims.fetch_voxels(claim))
        checked_hash(claim, voxels)
    except VoxelsDamaged as error:
        raise VoxelsDamaged(f"the voxels of {scan.key} are damaged: {error}") from error
    return illustrate(report, scan, voxels, _overlay(registry, report, scan, voxels))


def _overlay(
    registry: Registry, report: BrainReport, scan: BrainScan, voxels: Voxels
) -> Overlay | None:
    try:
        analyzer = registry.pick(report.scan_type)
    except AnalysisError:
        return None  # its package is not installed here: the picture marks lesions with circles
    if (analyzer.name, analyzer.version) != (report.analyzer.name, report.analyzer.version):
        return None  # another analyzer would find other lesions
    return overlay_of(analyzer, scan, voxels)


def main() -> int:
    """Write the files of the scans that the settings select."""
    settings = load_settings(ReportSettings, "fr report")
    if not settings.ids:
        raise SettingsError("ID: which scan? Give its id, or several separated by commas: ID=1f0c…")
    failed = False
    with open_existing_store(settings) as store:
        registry = load_analyzers()
        for scan_id in settings.ids:
            try:
                report = write_files(store, registry, scan_id, settings.out)
            except (VoxelsDamaged, AnalysisError) as error:
                failed = True
                written = f"{settings.out} has the report as .json and .txt, without a picture"
                Console(stderr=True).print(f"fr report: {written}: {error}", soft_wrap=True)
            else:
                write_text(report_text(report))
    return Exit.FAILED if failed else Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr report", main))
