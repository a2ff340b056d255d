"""The guard stops input and output only while it is on, and lets imports pass."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fr_brain.analyzers.conformance.guard import ForbiddenAccess, IoGuard


@pytest.fixture(scope="module")
def installed() -> IoGuard:
    """One guard for all tests here: an audit hook stays until its process ends."""
    return IoGuard()


@pytest.fixture
def guard(installed: IoGuard) -> Iterator[IoGuard]:
    installed.seen.clear()
    yield installed
    installed.on = False


def forbidden(guard: IoGuard, call: Callable[[], object]) -> str:
    """How the guard refuses this call."""
    guard.on = True
    try:
        call()
    except ForbiddenAccess as error:
        return str(error)
    finally:
        guard.on = False
    pytest.fail("the call was allowed")


@pytest.mark.parametrize(
    ("event", "call"),
    [
        ("open", lambda: Path(__file__).read_bytes()),
        ("socket.", socket.socket),
        ("subprocess.Popen", lambda: subprocess.run([sys.executable, "-V"], check=False)),
        ("os.listdir", lambda: list(Path().iterdir())),
        ("os.", lambda: Path("never-created").mkdir()),
    ],
)
def test_an_access_is_stopped_and_recorded(
    event: str, call: Callable[[], object], guard: IoGuard
) -> None:
    text = forbidden(guard, call)
    assert text.startswith("an analyzer must not perform input or output: ")
    (seen,) = guard.seen
    assert seen.startswith(event)
    assert text.endswith(seen)
    assert not Path("never-created").exists()


def test_nothing_is_stopped_while_it_is_off(guard: IoGuard) -> None:
    assert Path(__file__).read_bytes()
    assert guard.seen == []


def test_a_module_may_be_imported_while_it_is_on(
    guard: IoGuard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_on_first_use.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    guard.on = True
    try:
        value = __import__("imported_on_first_use").VALUE
    finally:
        guard.on = False
        sys.modules.pop("imported_on_first_use", None)
    assert value == 7
    assert guard.seen == []


def test_a_long_argument_is_cut(guard: IoGuard) -> None:
    forbidden(guard, lambda: Path("a" * 1000).read_bytes())
    (seen,) = guard.seen
    assert len(seen) == 200
