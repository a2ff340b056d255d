"""The files of one report: ``.json``, ``.txt`` and, with a picture, ``.png``; with label maps,
``.<map>.nii.gz`` of each."""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from common.domain.report import BrainReport
from common.domain.report_index import map_file
from common.domain.report_text import report_text
from common.runtime.files import appearing_whole, write_whole

Maps = Mapping[str, Iterable[bytes]]
"""The files of label maps by the name of the map, each in pieces."""

NO_MAPS: Maps = MappingProxyType({})


def write_report(
    folder: Path,
    report: BrainReport,
    picture: bytes | None = None,
    name: str | None = None,
    maps: Maps = NO_MAPS,
    existing_maps: Collection[str] = (),
) -> bool:
    """Write the files of a report; each appears complete or not at all.

    Files of the same or a later revision stay unchanged; label maps that the same revision lacks
    are added. The JSON is written last, so where it exists the other files do too. Everything is on
    disk (fsync) when this returns.

    Args:
        folder: an existing folder.
        report: the report.
        picture: its picture, PNG.
        name: of the files, without suffix; None: the id of the scan.
        maps: its label maps.
        existing_maps: the label maps that have files of this name.

    Returns:
        Whether the folder has no later revision of the report.

    Raises:
        OSError: a file cannot be written.
        VoxelsDamaged: a label map cannot be made; no file has changed.
    """
    name = report.scan_id if name is None else name
    target = folder / f"{name}.json"
    existing = _revision_of(target)
    if existing is not None and existing >= report.revision:
        if existing == report.revision and not maps.keys() <= set(existing_maps):
            with _written_maps(folder, name, maps):
                pass
            _sync(folder)
        return existing == report.revision
    replace = existing is not None
    try:
        # The maps first: they are large, and on a full disk nothing has changed yet.
        with _written_maps(folder, name, maps):
            write_whole(folder / f"{name}.txt", report_text(report).encode(), replace=replace)
            if picture is not None:
                write_whole(folder / f"{name}.png", picture, replace=replace)
            elif replace:
                # The picture of an earlier revision would contradict the report beside it.
                (folder / f"{name}.png").unlink(missing_ok=True)
        for label_map in set(existing_maps) - maps.keys():  # likewise
            (folder / map_file(name, label_map)).unlink(missing_ok=True)
        content = json.dumps(report.model_dump(mode="json"), indent=2) + "\n"
        write_whole(target, content.encode(), replace=replace)
    except OSError:
        if not replace:  # as on a full disk: half a report helps nobody, and the whole comes again
            halves = [f"{name}.txt", f"{name}.png", *(map_file(name, one) for one in maps)]
            for half in halves:
                with contextlib.suppress(OSError):
                    (folder / half).unlink()
        raise
    _sync(folder)
    return True


@contextlib.contextmanager
def _written_maps(folder: Path, name: str, maps: Maps) -> Iterator[None]:
    """Write label maps, durably, before the block; they appear when it ends, in the place of those
    that are there, and not if it raises."""
    with contextlib.ExitStack() as appearing:
        for label_map, pieces in maps.items():
            target = folder / map_file(name, label_map)
            file = appearing.enter_context(appearing_whole(target))
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        yield


def _sync(folder: Path) -> None:
    """The names are data of the folder: without this a power loss can lose them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _revision_of(path: Path) -> int | None:
    """The revision of the report in a file; None if the file does not exist."""
    try:
        return int(json.loads(path.read_bytes()).get("revision", 1))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        return 0  # damaged, or not a report: replaced by any revision
