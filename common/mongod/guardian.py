"""The guardian: one embedded MongoDB for all users of a folder, while there are any.

Units that are started apart on one machine share one server. Its life is tied to them by locks
(``flock``: the kernel frees them however a process ends):

.. code-block:: text

    mongod.users      shared by every user; exclusive by the guardian once no user is left
    mongod.guard      exclusive by the guardian, a detached process, mongod's parent, all its life
    mongod.starters   exclusive by a user while it looks for a guardian or starts one

The guardian starts mongod, writes ``mongod.json`` when it answers, starts it again should it die,
and stops it when ``mongod.users`` can be had exclusively. Should the guardian itself be killed,
the kernel tells mongod to stop, and a user that is still there starts another guardian.
"""

import argparse
import fcntl
import json
import logging
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from common.errors import MongodError
from common.mongod.embedded import (
    MongodKilled,
    RunningMongod,
    answers,
    find_mongod,
    rotate,
    start_mongod,
    why_ended,
)

_log = logging.getLogger("fr.mongod")

_LOG_MAX = 32 << 20
_POLL_S = 0.05
_GUARD_POLL_S = 0.25
_JOIN_S = 60.0
_RESTART_PAUSE_MAX_S = 30.0
_STEADY_S = 60.0  # having run this long, a mongod that dies is started again without a pause
_USERS, _GUARD, _STARTERS = "mongod.users", "mongod.guard", "mongod.starters"
_STATE, _GUARDIAN_LOG = "mongod.json", "mongod.guardian.log"


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
                if state and answers(Path(state["socket"])):
                    return state["uri"]
            elif guardian is None or _gone(guardian):
                guardian = _spawn(home, find_mongod(binary))
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
                _join(home, binary, time.monotonic() + _JOIN_S, left)
        except (MongodError, OSError) as error:
            if not left.is_set():
                _log.warning("mongod has no guardian: %s", error)
            pause = 5.0


def _spawn(home: Path, binary: Path) -> subprocess.Popen[str]:
    log = home / _GUARDIAN_LOG
    rotate(log, _LOG_MAX)
    with log.open("ab") as errors:
        guardian = subprocess.Popen(  # noqa: S603  this module itself
            [sys.executable, "-m", "common.mongod.guardian", "--guard", home, "--binary", binary],
            cwd=Path(__file__).parents[2],  # where `common` is, wherever the unit runs
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
    running: RunningMongod | None = _first_started(home, binary)
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
            _log.error("%s", why_ended(running))
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


def _first_started(home: Path, binary: Path) -> RunningMongod:
    try:
        return _started(home, binary)
    except MongodKilled as error:
        # By somebody, as a guardian can be, so that the next start may well do. Only once: a
        # machine that is short of memory kills it each time, and the user must hear of that.
        _log.error("%s", error)
        return _started(home, binary)


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
    parser = argparse.ArgumentParser(prog="python -m common.mongod.guardian")
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
