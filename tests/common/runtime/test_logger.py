import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from common.errors import Refusal
from common.runtime import logger
from common.runtime.logger import AvailabilityLog, RateLimitedLog, configure, get_log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Lines:
    """Takes lines as a logger does."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


class Clock:
    """The time as it is told."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logger, "time", clock)
    return clock


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- lines -------------------------------------------------------------------------------------


def test_json_has_one_object_a_line_with_unit_level_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "json", "fr-hub")
    get_log(port=7301).info("receiving scans", code=Refusal.HASH)
    get_log().warning("away")
    first, second = told(capsys)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "unit": "fr-hub",
        "event": "receiving scans",
        "level": "info",
        "port": 7301,
        "code": "hash",
    }
    assert second["level"] == "warning"


def test_the_console_has_a_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "console", "fr-hub")
    get_log(port=7301).info("receiving scans", host="127.0.0.1")
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert "receiving scans" in shown
    assert "port=7301" in shown
    assert "fr-hub" not in shown, "who started it tells the units apart"
    assert "\x1b" not in shown, "no colors where there is no terminal"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lines_below_the_level_are_not_shown(
    level: str, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(level, "json", "fr-hub")
    log = get_log()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("something")
    assert [line["level"] for line in told(capsys)] == shown


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_local_variables(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", style, "fr-hub")

    def fail() -> None:
        subject = "Telltale" + "^Subject"
        raise ValueError(len(subject))

    try:
        fail()
    except ValueError:
        get_log().exception("it failed")
    shown = capsys.readouterr().out
    assert "ValueError: 16" in shown
    assert "in fail" in shown
    assert "Telltale^Subject" not in shown


def test_lines_go_to_standard_output_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("info", "json", "fr-hub")
    log = get_log()
    log.info("before")
    other = io.StringIO()
    monkeypatch.setattr(sys, "stdout", other)
    log.info("after")
    assert json.loads(other.getvalue())["event"] == "after"


# --- rate limits -------------------------------------------------------------------------------


def test_few_events_are_each_logged(clock: Clock) -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 2)  # type: ignore[arg-type]
    for _ in range(3):
        limited_log.info("scan stored", scan_id="a")
        limited_log.warning("scan refused", scan_id="b")
        clock.now += 1
    limited_log.flush()
    assert log.lines == 3 * [
        ("info", "scan stored", {"scan_id": "a"}),
        ("warning", "scan refused", {"scan_id": "b"}),
    ]


@pytest.mark.usefixtures("clock")
def test_frequent_events_are_counted() -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 2)  # type: ignore[arg-type]
    for n in range(10):
        limited_log.info("scan stored", n=n)
    for _ in range(3):
        limited_log.warning("scan refused")
    assert log.events == ["scan stored"] * 2
    limited_log.flush()
    (_, stored, _), (_, refused, _) = log.lines[2:]
    assert "scan stored" in stored
    assert "8 more" in stored
    assert "scan refused" in refused
    assert "3 more" in refused
    limited_log.flush()
    assert len(log.lines) == 4


@pytest.mark.usefixtures("clock")
def test_a_batch_logs_as_many_scans_as_its_second_allows() -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 4)  # type: ignore[arg-type]
    limited_log.info_each("scan stored", ["a", "b", "c"], pacs="x")
    limited_log.info_each("scan stored", ["d", "e", "f"], pacs="x")
    limited_log.info_each("scan stored", ["g"], pacs="x")
    assert log.lines == [
        ("info", "scan stored", {"scan_id": scan_id, "pacs": "x"}) for scan_id in "abcd"
    ]
    limited_log.flush()
    assert "3 more" in log.lines[-1][1]


def test_the_next_second_logs_the_count_of_the_last(clock: Clock) -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 1)  # type: ignore[arg-type]
    for _ in range(5):
        limited_log.info("scan stored")
    clock.now += 1
    limited_log.info("scan stored")
    first, rest, last = log.events
    assert first == last == "scan stored"
    assert "4 more" in rest


# --- availability ------------------------------------------------------------------------------


def test_a_change_of_availability_is_logged_once() -> None:
    log = Lines()
    availability = AvailabilityLog(log, "Fr-HUB")  # type: ignore[arg-type]
    availability.unavailable(OSError("refused"))
    availability.unavailable(OSError("refused"))
    availability.available()
    availability.available()
    availability.unavailable("gone")
    assert log.lines == [
        ("warning", "Fr-HUB is away, trying again", {"reason": "refused"}),
        ("info", "Fr-HUB is there", {}),
        ("warning", "Fr-HUB is away, trying again", {"reason": "gone"}),
    ]


def test_the_first_answer_of_a_peer_is_logged() -> None:
    log = Lines()
    AvailabilityLog(log, "MongoDB").available()  # type: ignore[arg-type]
    assert log.events == ["MongoDB is there"]
