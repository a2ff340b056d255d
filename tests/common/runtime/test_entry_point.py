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
    assert exit_code_of(kind("the disk is full")) == CODES.get(kind, Exit.FAILED)
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
