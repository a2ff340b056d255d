"""Stops an analyzer from reaching the outside world through Python."""

import sys
from typing import Any

_FORBIDDEN = ("open", "socket.", "subprocess.", "os.", "shutil.", "tempfile.", "urllib.", "http.",
              "ftplib.", "smtplib.", "glob.", "pathlib.", "sqlite3.", "mmap.", "ctypes.dlopen",
              "webbrowser.", "pty.", "fcntl.", "resource.setrlimit", "signal.")  # fmt: skip
_IMPORT_SYSTEM = ("<frozen importlib", "<frozen zipimport")


class ForbiddenAccess(Exception):
    """Raised inside the analyzer at the call that it must not make."""


class IoGuard:
    """Records and stops forbidden audit events (PEP 578) while ``on``.

    It does not see what a library in another language does without Python's help.
    """

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or not event.startswith(_FORBIDDEN):
            return
        # A library that is imported on first use is read from its files; that is allowed.
        frame = sys._getframe()  # noqa: SLF001 - the only way to know who calls
        while frame is not None:
            if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
                return
            frame = frame.f_back  # type: ignore[assignment]
        what = f"{event} {arguments[0]!r}" if arguments else event
        self.seen.append(what[:200])
        raise ForbiddenAccess(f"an analyzer must not perform input or output: {what[:200]}")
