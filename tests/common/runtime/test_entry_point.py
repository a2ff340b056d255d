import subprocess
import sys
from pathlib import Path

import pytest

from common import errors
from common.errors import FrError, ProtocolError, Refusal
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit

USAGE, TAKEN, UNUSABLE = Exit.USAGE, Exit.TAKEN, Exit.UNUSABLE
KINDS = {
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FrError)
}
IN_ORDER: list[type[FrError]] = sorted(KINDS - {ProtocolError}, key=lambda kind: kind.__name__)
"""Sorted, so that every pytest worker collects the same order."""
CODES = {
    errors.SettingsError: USAGE,
    errors.AlreadyRunning: TAKEN,
    errors.MongodError: UNUSABLE,
    errors.StoreRefused: UNUSABLE,
}


def exit_code_of(error: BaseException) -> int:
    def main() -> int:
        raise error

    return run_unit("fr hub", main)


@pytest.mark.parametrize("code", [0, 1, 4])
def test_the_code_of_main_is_the_exit_code(code: int) -> None:
    assert run_unit("fr hub", lambda: code) == code


@pytest.mark.parametrize("kind", IN_ORDER, ids=lambda kind: kind.__name__)
def test_an_fr_error_becomes_one_line_and_an_exit_code(
    kind: type[FrError], capsys: pytest.CaptureFixture[str]
) -> None:
    code = next((code for base, code in CODES.items() if issubclass(kind, base)), Exit.FAILED)
    assert exit_code_of(kind("the disk is full")) == code
    shown = capsys.readouterr()
    assert shown.err == "fr hub: the disk is full\n"
    assert shown.out == ""


def test_a_protocol_error_prints_its_code_and_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code_of(ProtocolError(Refusal.VERSION, "too new")) == Exit.FAILED
    assert capsys.readouterr().err == "fr hub: version: too new\n"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), SystemExit(2)])
def test_other_exceptions_propagate(error: BaseException) -> None:
    with pytest.raises(type(error)):
        exit_code_of(error)


def test_the_docstring_lists_each_error() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert f" {kind.__name__}" in errors.__doc__
        assert kind.__doc__


def test_an_error_that_quotes_foreign_text_is_one_escaped_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exit_code_of(FrError("refused: \x1b[2J\u202e\r\n" * 1000))
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown.rstrip("\n").isprintable()
    assert len(shown.encode()) < 4096


MEMORY = """
import resource, subprocess, sys
from pathlib import Path
from common.runtime.entry_point import run_unit

def main():
    child = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    print(Path("/proc/self/coredump_filter").read_text().strip())
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", child], check=True)
    child = "print(open('/proc/self/coredump_filter').read())"
    subprocess.run([sys.executable, "-c", child], check=True)
    return 0

sys.exit(run_unit("fr hub", main))
"""


def test_a_unit_and_its_children_leave_no_core_dump() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.split("\n")[:3] == ["00000000", "(0, 0)", "00000000"]
