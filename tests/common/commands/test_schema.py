"""``make schema``: the JSON schema of a report, on standard output."""

import json

import pytest

from common.commands.schema import main
from common.domain.report_schema import report_schema


def test_the_command_prints_the_schema(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["fr schema"])  # else it reads pytest's own arguments
    main()
    text = capsys.readouterr().out
    assert text.endswith("}\n")
    assert json.loads(text) == report_schema()
