"""The arguments of ``make faults``: it takes none, and must not begin to inject faults then."""

import sys

import pytest

from tests.faults.__main__ import main
from tests.faults.options import Options


def test_help_names_the_variables_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["faults", "--help"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name.upper() in shown for name in Options.model_fields)


def test_an_argument_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["faults", "kill-hub"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "kill-hub" in capsys.readouterr().err
