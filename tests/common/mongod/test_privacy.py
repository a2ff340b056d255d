"""No other user of the machine can reach the embedded MongoDB."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.mongod.embedded import RunningMongod, find_mongod, start_mongod

NOBODY = 65534
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningMongod]:
    """A mongod in a world-readable folder, so that only Fr's own permissions protect it."""
    with tempfile.TemporaryDirectory(prefix="fr-open-") as folder:
        Path(folder).chmod(0o755)
        mongod = start_mongod(Path(folder), find_mongod())
        yield mongod
        mongod.stop()


def test_only_this_user_may_access_the_socket_its_folder_and_the_data(
    running: RunningMongod,
) -> None:
    modes = {
        path: path.stat().st_mode & 0o777
        for path in (running.socket, running.socket.parent, running.folder / "mongodb")
    }
    assert list(modes.values()) == [0o600, 0o700, 0o700], modes


def test_it_listens_on_no_network(running: RunningMongod) -> None:
    held = set()
    for fd in Path(f"/proc/{running.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has been closed
            held.add(str(fd.readlink()))
    held = {link for link in held if link.startswith("socket:")}
    assert held, "no socket found, not even its Unix socket"
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{running.pid}/net/{table}").read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in held


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)
def test_another_user_of_this_machine_cannot_connect(running: RunningMongod) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("no Python that another user can run")

    def as_nobody() -> subprocess.CompletedProcess[str]:
        as_user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return subprocess.run(
            [*as_user, python, "-c", CONNECT, running.socket],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    assert "PermissionError" in as_nobody().stderr
    running.socket.parent.chmod(0o755)  # the socket's own mode must suffice
    try:
        assert "PermissionError" in as_nobody().stderr
        running.socket.chmod(0o666)
        assert as_nobody().returncode == 0, "the refusals above prove nothing"
    finally:
        running.socket.chmod(0o600)
        running.socket.parent.chmod(0o700)
