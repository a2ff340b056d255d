"""The files of one report: ``.json``, ``.txt`` and, with a picture, ``.png``."""

import contextlib
import json
import os
from pathlib import Path

from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.runtime.files import write_whole


def write_report(
    folder: Path, report: BrainReport, picture: bytes | None = None, name: str | None = None
) -> bool:
    """Write the files of a report; each appears complete or not at all.

    Files of the same or a later revision stay unchanged. The JSON is written last, so where it
    exists the other files do too. Everything is on disk (fsync) when this returns.

    Args:
        folder: an existing folder.
        report: the report.
        picture: its picture, PNG.
        name: of the files, without suffix; None: the id of the scan.

    Returns:
        Whether the folder has no later revision of the report.

    Raises:
        OSError: a file cannot be written.
    """
    name = report.scan_id if name is None else name
    target = folder / f"{name}.json"
    existing = _revision_of(target)
    if existing is not None and existing >= report.revision:
        return existing == report.revision
    replace = existing is not None
    text = report_text(report).encode()
    try:
        write_whole(folder / f"{name}.txt", text, replace=replace)
        if picture is not None:
            write_whole(folder / f"{name}.png", picture, replace=replace)
        elif replace:
            # The picture of an earlier revision would contradict the report beside it.
            (folder / f"{name}.png").unlink(missing_ok=True)
        content = json.dumps(report.model_dump(mode="json"), indent=2) + "\n"
        write_whole(target, content.encode(), replace=replace)
    except OSError:
        if not replace:  # as on a full disk: half a report helps nobody, and the whole comes again
            for end in ("txt", "png"):
                with contextlib.suppress(OSError):
                    (folder / f"{name}.{end}").unlink()
        raise
    # The names are data of the folder: without this a power loss can lose them.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _revision_of(path: Path) -> int | None:
    """The revision of the report in a file; None if the file does not exist."""
    try:
        return int(json.loads(path.read_bytes()).get("revision", 1))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        return 0  # damaged, or not a report: replaced by any revision
