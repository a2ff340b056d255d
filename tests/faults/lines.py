"""Files of JSON lines, which units' recorders append to while the harness reads them."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def append(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Append a line per entry in one write, so that lines of several processes do not mix."""
    data = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    if not data:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


class LineReader:
    """Follows such a file: returns each complete line once, without those that a kill cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """The lines since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        found = []
        for line in data[:complete].splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found
