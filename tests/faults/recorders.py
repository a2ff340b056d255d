"""Recorders in the units of a world: what a source made, what a processor was told, what arrived.

They wrap methods of the units' objects, in processes that ``tests.faults.unit`` starts only, and
append to files that the harness reads.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.domain.types import hash_voxels
from tests.faults.lines import append
from tests.faults.points import put


def record_completions(path: Path) -> None:
    """Record the result of each ``complete``: accepted or lost."""
    from common.store.claims import Claims

    complete: Callable[..., set[str]] = Claims.complete

    def recording(
        part: Claims, done: Sequence[tuple[Any, Any]], *rest: Any, **how: Any
    ) -> set[str]:
        lost = complete(part, done, *rest, **how)
        append(
            path,
            (
                {
                    "scan_id": claim.scan.key,
                    "owner": claim.owner,
                    "fence": claim.fence,
                    "revision": claim.revision,
                    "accepted": claim.scan.key not in lost,
                }
                for claim, _ in done
            ),
        )
        return lost

    put(Claims, "complete", recording)


def record_sources(path: Path) -> None:
    """Record of each scan how it was made, before any byte of it is sent."""
    from common.scan_files.file_tasks import FileTask
    from fr_pacs.sources.ecg.source import EcgTask
    from fr_pacs.sources.grid import GridTask
    from fr_pacs.sources.phantom.source import PhantomTask

    def grid(task: GridTask) -> dict[str, Any]:
        return {"kind": "grid", "seed": task.source._seed, "index": task.index}

    def phantom(task: PhantomTask) -> dict[str, Any]:
        contrast = task.recipe.contrast
        return {"kind": "phantom", "seed": task.seed, "index": task.index, "contrast": contrast}

    def ecg(task: EcgTask) -> dict[str, Any]:
        return {"kind": "ecg", "seed": task.seed, "index": task.index}

    def file(task: FileTask) -> dict[str, Any]:
        return {"kind": "file", "label": task.label}

    def wrap(kind: Any, about: Callable[[Any], dict[str, Any]]) -> None:
        load = kind.load

        def loading(task: Any) -> Any:
            loaded = load(task)
            scan = loaded.scan
            append(path, [{"scan_id": scan.key, "shape": list(scan.shape), **about(task)}])
            return loaded

        put(kind, "load", loading)

    wrap(GridTask, grid)
    wrap(PhantomTask, phantom)
    wrap(EcgTask, ecg)
    wrap(FileTask, file)


def record_deliveries(path: Path) -> None:
    """Record each report that Fr-PACS takes, with what it says."""
    from common.wire.messages import Report
    from fr_pacs.server import ReportServer
    from tests.faults.essence import essence_of

    accept = ReportServer._accept

    def accepting(server: ReportServer, events: Sequence[Any], maps: Any) -> Any:
        accepted, refused = accept(server, events, maps)
        entries = []
        for event in events:
            if not isinstance(event, Report) or event.report.scan_id not in accepted:
                continue
            report = event.report
            entry = {
                "scan_id": report.key,
                "pacs": report.pacs,
                "revision": report.revision,
                "voxels_hash": report.voxels_hash,
                "findings": essence_of(report.findings),
            }
            if event.picture is not None:
                entry["picture"] = hash_voxels(event.picture)
            entries.append(entry)
        append(path, entries)
        return accepted, refused

    put(ReportServer, "_accept", accepting)
