"""Which process has connected: a proxy sees only the port."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

_ESTABLISHED = "01"


def client_on(port: int, names: Mapping[int, str]) -> str | None:
    """The name of the process that has a connection from this port of 127.0.0.1.

    Args:
        port: of the client's end.
        names: the processes to look at, by their id.
    """
    inode = _inode(port)
    if inode is None:
        return None
    for pid, name in names.items():
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) == f"socket:[{inode}]":
                        return name
    return None


def _inode(port: int) -> str | None:
    local = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] == local and fields[3] == _ESTABLISHED:
            return fields[9]
    return None
