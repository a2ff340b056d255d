"""REPORTS: reports as files side by side: ``<scan_id>.json``, ``.txt`` and, if any, ``.png``."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from common.domain.report import BrainReport
from common.domain.report_text import report_text


def write_report(folder: Path, report: BrainReport, picture: bytes | None = None) -> None:
    """Write a report's files, each whole or not at all; those of the same or a later revision that
    are there stay. The JSON comes last: where it is, the others are.

    Raises:
        OSError: they cannot be written.
    """
    target = folder / f"{report.scan_id}.json"
    kept = _revision_of(target)
    if kept is not None and kept >= report.revision:
        return
    replace = kept is not None
    text = report_text(report).encode()
    _write(folder / f"{report.scan_id}.txt", text, replace=replace)
    if picture is not None:
        _write(folder / f"{report.scan_id}.png", picture, replace=replace)
    elif replace:
        # Of the revision before: it would contradict the report beside it.
        (folder / f"{report.scan_id}.png").unlink(missing_ok=True)
    content = json.dumps(report.model_dump(mode="json"), indent=2) + "\n"
    _write(target, content.encode(), replace=replace)
    # A file is kept when its folder says so: without this a loss of power can lose the name.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _revision_of(path: Path) -> int | None:
    """Of the report that is there; None where there is none."""
    try:
        return int(json.loads(path.read_bytes()).get("revision", 1))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        return 0  # not a report: somebody else's file, or a damaged one


def _write(target: Path, content: bytes, *, replace: bool) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".report-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # Acknowledged means kept: not only in this machine's memory.
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        if replace:
            os.replace(name, target)  # noqa: PTH105 - as os.link below
            return
        # Not replace: of two hubs that send the same report, one writes it.
        with contextlib.suppress(FileExistsError):
            os.link(name, target)
    finally:
        Path(name).unlink(missing_ok=True)
