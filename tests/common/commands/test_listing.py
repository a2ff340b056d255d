"""Lists of commands: ids can be copied, and nothing acts on the terminal."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from common.commands.listing import print_items, print_json_array, time_of
from common.runtime.console import Console


def test_an_id_is_never_broken_whatever_the_terminal_is() -> None:
    out = io.StringIO()
    console = Console(file=out, width=30)
    name = "572ab9757ece413b8959855e324cd4b6@pacs-1"
    assert (
        print_items([(name, ["a cause that is long, " * 5]), ("2", ["[/] \x1b[31m"])], console) == 2
    )
    lines = out.getvalue().splitlines()
    assert lines[0].rstrip() == name
    assert all(len(line.rstrip()) <= 30 for line in lines[1:])
    assert any("[/] \\x1b[31m" in line for line in lines)


def test_nothing_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_items([], Console()) == 0
    print_json_array([])
    assert json.loads(capsys.readouterr().out) == []


def test_an_array_has_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    objects: list[dict[str, Any]] = [{"a": 1}, {"a": "\x1b"}]
    print_json_array(objects)
    printed = capsys.readouterr().out
    assert json.loads(printed) == objects
    assert len(printed.splitlines()) == 4


def test_times_are_utc() -> None:
    assert time_of(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05 UTC"
    assert time_of(None) == "unknown time"
