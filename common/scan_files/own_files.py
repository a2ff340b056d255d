"""What Fr-PACS writes itself, which is no input where it is in SOURCE."""

import re
from collections.abc import Iterable
from pathlib import Path

from common.domain.report_index import NAME, map_in, scan_id_in

_REPORT = (".json", ".txt", ".png")
_SCAN_ID = re.compile(r"[0-9a-f]{32}")


class OwnFiles:
    """The files and folders in SOURCE that are Fr-PACS' own; ``in`` asks for one.

    Args:
        root: SOURCE.
        reports: REPORTS. If it is SOURCE itself, the reports and their index are recognised by
            their names.
        others: further files and folders that Fr-PACS writes.
    """

    def __init__(
        self, root: Path, reports: Path | None = None, others: Iterable[Path] = ()
    ) -> None:
        inside = root.resolve()
        own = [path.resolve() for path in (reports, *others) if path is not None]
        self._paths = {
            root / path.relative_to(inside)
            for path in own
            if path != inside and path.is_relative_to(inside)
        }
        self._has_reports = reports is not None and reports.resolve() == inside
        self._root = root

    def __contains__(self, path: object) -> bool:
        return path in self._paths or (
            self._has_reports
            and isinstance(path, Path)
            and path.parent == self._root
            and _is_of_reports(path)
        )

    def has(self, path: Path) -> bool:
        """Whether this path, or a folder that it is in, is Fr-PACS' own."""
        return path in self or any(folder in self._paths for folder in path.parents)


def _is_of_reports(path: Path) -> bool:
    if path.name == NAME or path.name.startswith(f".{NAME}."):
        return True
    of_map = map_in(path.name)
    if path.suffix not in _REPORT and of_map is None:
        return False
    return bool(_SCAN_ID.fullmatch(scan_id_in(path.stem if of_map is None else of_map[0])))
