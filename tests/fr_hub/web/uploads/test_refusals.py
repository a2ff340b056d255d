"""What keeps an upload from being taken says what to do."""

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import SettingsError
from common.runtime.logger import get_log
from fr_hub.web.problems import Problem
from fr_hub.web.uploads.desk import TooLarge
from fr_hub.web.uploads.intake import Full
from fr_hub.web.uploads.refusals import refusals, too_much, wrong_offset
from fr_hub.web.uploads.reservations import NoSpace


@pytest.mark.parametrize(
    ("error", "status", "code", "retries"),
    [
        (TooLarge(), 413, "too_large", False),
        (NoSpace("you have 16"), 429, "too_many_uploads", True),
        (Full("many wait", 7), 503, "busy", True),
        (SettingsError("/home/jane/x.key: no key"), 503, "not_configured", False),
        (OSError(errno.ENOSPC, "full", "/home/jane"), 503, "disk_full", True),
    ],
)
def test_each_error_is_a_problem(error: Exception, status: int, code: str, retries: bool) -> None:
    desk: Any = SimpleNamespace(limit=5 << 20, log=get_log())
    with pytest.raises(Problem) as problem, refusals(desk):
        raise error
    assert (problem.value.status, problem.value.code) == (status, code)
    assert ("Retry-After" in problem.value.headers) == retries
    assert "jane" not in problem.value.detail


def test_other_errors_are_not_hidden() -> None:
    desk: Any = SimpleNamespace(limit=1, log=get_log())
    with pytest.raises(PermissionError), refusals(desk):
        raise PermissionError(errno.EACCES, "no")


def test_an_offset_is_corrected_and_too_many_bytes_are_named() -> None:
    assert wrong_offset(7).headers["Upload-Offset"] == "7"
    upload: Any = SimpleNamespace(size=9, reserved=9)
    assert "9" in too_much(upload).detail
