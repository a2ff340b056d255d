"""The guardian process: shares one embedded MongoDB between all units that use a data folder.

The server runs as long as the folder has users. File locks track that (``flock``, which the kernel
releases however a process ends):

.. code-block:: text

    mongod.users      shared: each user; exclusive: the guardian, once no user is left
    mongod.guard      exclusive: the guardian (a detached process, mongod's parent) until it exits
    mongod.starters   exclusive: a user while it looks for a guardian or starts one

The guardian starts mongod, writes ``mongod.json`` when mongod answers, restarts mongod if it dies,
and stops it once it can lock ``mongod.users`` exclusively. If the guardian itself is killed, the
kernel makes mongod stop, and a remaining user starts another guardian.
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
    exit_reason,
    find_mongod,
    ping,
    rotate,
    start_mongod,
)

_log = logging.getLogger("fr.mongod")

_LOG_MAX = 32 << 20
_POLL_S = 0.05
_GUARD_POLL_S = 0.25
_JOIN_S = 60.0
_RESTART_PAUSE_MAX_S = 30.0
_STEADY_S = 60.0  # a mongod that ran this long before it died is restarted without a pause
_USERS, _GUARD, _STARTERS = "mongod.users", "mongod.guard", "mongod.starters"
_STATE, _GUARDIAN_LOG = "mongod.json", "mongod.guardian.log"


# --- share -------------------------------------------------------------------------------------


@contextmanager
def shared_mongod(
    data_dir: Path, binary: Path | None = None, *, timeout_s: float = 60.0
) -> Iterator[str]:
    """Yield the URI of the mongod that all users of ``data_dir`` share.

    It stops when the last user leaves; the data stay in ``data_dir/mongodb``.

    Args:
        binary: the mongod to start if none runs; None: see ``find_mongod``.
        timeout_s: how long to wait for mongod, seconds.

    Raises:
        MongodError: no mongod was found, it cannot be started or is not ready in time, or the
            folder is not writable.
    """
    deadline = time.monotonic() + timeout_s
    leaving = threading.Event()
    with ExitStack() as stack:
        try:
            home = data_dir.expanduser().resolve()
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(_locked(home / _USERS, fcntl.LOCK_SH, deadline))
            uri = _join(home, binary, deadline, leaving)
        except OSError as error:
            raise MongodError(
                f"DATA_DIR={str(data_dir)!r} cannot hold the embedded MongoDB: {error}"
            ) from error
        watcher = threading.Thread(
            target=_monitor_guardian, args=(home, binary, leaving), name="mongod-watch", daemon=True
        )
        watcher.start()
        try:
            yield uri
        finally:
            leaving.set()
            watcher.join()


def _join(home: Path, binary: Path | None, deadline: float, leaving: threading.Event) -> str:
    """Wait for the guardian's mongod and return its URI; start a guardian if none runs."""
    with _locked(home / _STARTERS, fcntl.LOCK_EX, deadline), ExitStack() as stack:
        guardian: subprocess.Popen[str] | None = None
        while time.monotonic() < deadline and not leaving.is_set():
            if _is_locked(home / _GUARD):
                state = _read_state(home)
                if state and ping(Path(state["socket"])):
                    return state["uri"]
            elif guardian is None or _is_replaceable(guardian):
                guardian = _spawn_guardian(home, find_mongod(binary))
                if guardian.stdout:
                    stack.enter_context(guardian.stdout)
            elif guardian.poll() is not None:
                reason = guardian.stdout.read() if guardian.stdout else ""
                log = home / _GUARDIAN_LOG
                raise MongodError(reason or f"the guardian of mongod exited, see {log}")
            time.sleep(_POLL_S)
    raise MongodError(f"the MongoDB in {home} was not ready in time, see {home / _GUARDIAN_LOG}")


def _is_replaceable(guardian: "subprocess.Popen[str]") -> bool:
    """Whether this guardian was killed or yielded to another one, as opposed to having failed."""
    status = guardian.poll()
    return status is not None and status <= 0


def _monitor_guardian(home: Path, binary: Path | None, leaving: threading.Event) -> None:
    """Start another guardian if the current one is killed, because mongod stops with it."""
    pause = 1.0
    while not leaving.wait(pause):
        pause = 1.0
        try:
            if not _is_locked(home / _GUARD):
                _join(home, binary, time.monotonic() + _JOIN_S, leaving)
        except (MongodError, OSError) as error:
            if not leaving.is_set():
                _log.warning("cannot start another guardian for mongod, retrying: %s", error)
            pause = 5.0


def _spawn_guardian(home: Path, binary: Path) -> subprocess.Popen[str]:
    log = home / _GUARDIAN_LOG
    rotate(log, _LOG_MAX)
    with log.open("ab") as errors:
        guardian = subprocess.Popen(  # noqa: S603 - this module itself
            [sys.executable, "-m", "common.mongod.guardian", "--guard", home, "--binary", binary],
            cwd=Path(__file__).parents[2],  # so that `common` can be imported
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            umask=0o077,
            start_new_session=True,
        )
    # Reap it if it exits before this unit does.
    threading.Thread(target=guardian.wait, name="mongod-reaper", daemon=True).start()
    return guardian


def _read_state(home: Path) -> dict[str, str] | None:
    try:
        state: dict[str, str] = json.loads((home / _STATE).read_text())
    except FileNotFoundError:
        return None
    return state


@contextmanager
def _locked(path: Path, mode: int, deadline: float) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _try_lock(lock, mode):
            if time.monotonic() > deadline:
                raise MongodError(
                    f"{path} stayed locked too long, see {path.parent / _GUARDIAN_LOG}"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing does not unlock it if a forked child has it open
        os.close(lock)


def _try_lock(lock: int, mode: int) -> bool:
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    try:
        with _locked(path, fcntl.LOCK_SH, 0.0):
            return False
    except MongodError:
        return True


# --- guard -------------------------------------------------------------------------------------


def _guard(home: Path, binary: Path) -> None:
    """Keep a mongod running while ``home`` has users, then stop it."""
    users = os.open(home / _USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    (home / _STATE).unlink(missing_ok=True)
    _stop_orphan(home / "mongodb", binary)
    running: RunningMongod | None = _start_first(home, binary)
    since, failures = time.monotonic(), 0
    pause = _GUARD_POLL_S
    while not _wait_unused(users, pause):
        if running is None:
            try:
                running = _start(home, binary)
                since, pause = time.monotonic(), _GUARD_POLL_S
            except MongodError as error:
                _log.error("%s", error)
                failures += 1
                pause = min(_RESTART_PAUSE_MAX_S, 2.0**failures)
        elif running.exit_status is not None:
            _log.error("%s", exit_reason(running))
            failures = 0 if time.monotonic() - since > _STEADY_S else failures + 1
            pause = min(_RESTART_PAUSE_MAX_S, 2.0**failures - 1) if failures > 1 else 0.0
            running = None
        else:
            _truncate_log(home / "mongod.log")
    (home / _STATE).unlink(missing_ok=True)
    if running is not None:
        running.stop()
        with suppress(OSError):
            running.socket.parent.rmdir()
    # Keep `users` locked until the process exits, after the guard lock is released: a new user then
    # sees that there is no guardian, instead of one that is about to exit.


def _start_first(home: Path, binary: Path) -> RunningMongod:
    try:
        return _start(home, binary)
    except MongodKilled as error:
        # Another process killed it, so a second start may succeed. Retry only once: a machine that
        # is short of memory kills it each time, and the user must learn of that.
        _log.error("%s", error)
        return _start(home, binary)


def _start(home: Path, binary: Path) -> RunningMongod:
    # No timeout: recovery after a crash may take long, and a restart would begin it again.
    running = start_mongod(home, binary, stop_with_parent=True, timeout_s=math.inf)
    try:
        state = {"uri": running.uri, "socket": str(running.socket), "pid": running.pid}
        new = home / f"{_STATE}.new"
        new.write_text(json.dumps(state))
        new.replace(home / _STATE)
    except OSError as error:
        running.stop()
        raise MongodError(f"cannot write to {home}: {error}") from error
    _log.info("mongod is running with pid %d: %s", running.pid, running.uri)
    return running


def _wait_unused(users: int, timeout_s: float) -> bool:
    """Wait up to ``timeout_s`` for the last user to leave; if it has, lock out new users."""
    deadline = time.monotonic() + timeout_s
    while not _try_lock(users, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_GUARD_POLL_S)
    return True


def _stop_orphan(data: Path, binary: Path) -> None:
    """Stop the mongod of a killed guardian, in case the kernel did not."""
    try:
        pid = int((data / "mongod.lock").read_text())  # empty after a clean stop
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if os.fsencode(data) in command and command[0].endswith(b"mongod"):
        _log.warning("stopping an orphaned mongod with pid %d", pid)
        subprocess.run(  # noqa: S603 - the binary comes from the installation
            [binary, "--shutdown", "--dbpath", data],
            stdout=sys.stderr,
            check=False,  # if it fails, starting mongod reports that the data are in use
        )


def _truncate_log(log: Path) -> None:
    """Move a long log aside while mongod runs; truncating is safe because mongod appends."""
    with suppress(OSError):
        if log.stat().st_size > _LOG_MAX:
            shutil.copyfile(log, f"{log}.old")
            os.truncate(log, 0)


def main() -> int:
    """Run the guardian.

    Exit status 0: the last user left, or another guardian is running; 1: it failed, and standard
    output has the reason.
    """
    parser = argparse.ArgumentParser(prog="python -m common.mongod.guardian")
    parser.add_argument("--guard", type=Path, required=True, metavar="DATA_DIR")
    parser.add_argument("--binary", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with ExitStack() as stack:
        try:
            # A user that checks the lock holds it for an instant.
            soon = time.monotonic() + 1.0
            stack.enter_context(_locked(given.guard / _GUARD, fcntl.LOCK_EX, soon))
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
