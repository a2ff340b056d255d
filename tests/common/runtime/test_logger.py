import io
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
import structlog

from common.errors import PeerClosed, Refusal
from common.runtime import logger
from common.runtime.logger import AvailabilityLog, RateLimitedLog, command_log, configure, get_log


@pytest.fixture(autouse=True)
def _reset_structlog() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Lines:
    """A logger that records its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logger, "time", clock)
    return clock


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- lines -------------------------------------------------------------------------------------


def test_json_has_one_object_a_line_with_unit_level_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "json", "fr-pacs", "mr-1")
    get_log(port=7301).info("receiving scans", code=Refusal.HASH)
    get_log().warning("away")
    first, second = logged(capsys)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "unit": "fr-pacs",
        "name": "mr-1",
        "hostname": platform.node(),
        "pid": os.getpid(),
        "event": "receiving scans",
        "level": "info",
        "port": 7301,
        "code": "hash",
    }
    assert second["level"] == "warning"


HARMFUL = "\x1b[2J\x9b1m\u202e\r\n\u2028\udc80[/]"
"""Clears the screen, colors, reverses the direction, begins a line, is not Unicode."""


@pytest.mark.parametrize("style", ["json", "console"])
def test_foreign_text_is_escaped_in_every_field(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", style, "fr-hub")
    get_log().warning(HARMFUL, reason=HARMFUL, ids=[HARMFUL], error=ValueError(HARMFUL))
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert shown.rstrip("\n").isprintable()
    assert shown.count("u202e") == 4
    shown.encode()


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("char", ["x", "\x1b", "\U000e0001", "脳"])
def test_a_line_is_at_most_4_kib_long(
    style: str, char: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", style, "fr-hub")
    text = char * 300_000
    get_log().warning(text, reason=text, ids=[text] * 1000)
    get_log().warning("many", **{f"field_{n}": text for n in range(200)})
    for line in capsys.readouterr().out.splitlines():
        assert len(line.encode()) < 4096
        if style == "json":
            assert json.loads(line)["level"] == "warning"


def test_an_exception_is_logged_by_its_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "console", "fr-hub")
    get_log().error("failed", exception="first\n" + "x\n" * 9000 + "at\x1b the end\nValueError")
    shown = capsys.readouterr().out
    assert len(shown.encode()) < 4096
    assert "at\\x1b the end\nValueError\n" in shown


def test_the_warnings_of_commands_are_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    command_log().warning("cannot be recorded", reason=HARMFUL)
    assert capsys.readouterr().err.rstrip("\n").isprintable()


def test_the_name_defaults_to_the_unit(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json", "fr-hub")
    get_log().info("stopping")
    assert logged(capsys)[0]["name"] == "fr-hub"


def test_the_console_has_a_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "console", "fr-hub")
    get_log(port=7301).info("receiving scans", host="127.0.0.1")
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert "receiving scans" in shown
    assert "port=7301" in shown
    assert "fr-hub" not in shown, "the launcher adds the unit's name"
    assert "\x1b" not in shown, "no colors without a terminal"


@pytest.mark.parametrize(
    ("zone", "offset"), [("UTC", "Z"), ("Asia/Kolkata", "+05:30"), ("America/New_York", "-05:00")]
)
def test_console_times_have_their_zone_and_a_date_when_the_day_changes(
    zone: str, offset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Clock(datetime):
        moment = datetime(2026, 1, 31, 17, tzinfo=UTC)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls.fromtimestamp(cls.moment.timestamp(), tz)

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    monkeypatch.setattr(logger, "datetime", Clock)
    try:
        configure("info", "console", "fr-hub")
        for hours in (0, 0, 12, 0):
            Clock.moment += timedelta(hours=hours)
            get_log().info("tick")
    finally:
        monkeypatch.undo()
        time.tzset()
    first, second, third, fourth = (
        line.split(" [")[0] for line in capsys.readouterr().out.splitlines()
    )
    assert first.startswith("2026-01-31 ")
    assert first.endswith(f".000{offset}")
    assert first == f"2026-01-31 {second}"
    assert third == f"2026-02-01 {fourth}"


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
    assert [line["level"] for line in logged(capsys)] == shown


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_logged_without_local_variables(
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


def test_lines_go_to_the_current_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("info", "json", "fr-hub")
    log = get_log()
    log.info("before")
    other = io.StringIO()
    monkeypatch.setattr(sys, "stdout", other)
    log.info("after")
    assert json.loads(other.getvalue())["event"] == "after"


# --- rate limits -------------------------------------------------------------------------------


def test_infrequent_events_are_all_logged(clock: Clock) -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 2)  # type: ignore[arg-type]
    for _ in range(3):
        limited_log.info("scan stored", scan_id="a")
        limited_log.warning("scan refused", scan_id="b")
        limited_log.debug("duplicate report", scan_id="c")
        clock.now += 1
    limited_log.flush()
    assert log.lines == 3 * [
        ("info", "scan stored", {"scan_id": "a"}),
        ("warning", "scan refused", {"scan_id": "b"}),
        ("debug", "duplicate report", {"scan_id": "c"}),
    ]


@pytest.mark.usefixtures("clock")
def test_a_frequent_event_is_counted_at_its_own_level() -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 2)  # type: ignore[arg-type]
    for n in range(10):
        limited_log.info("scan stored", n=n)
    for _ in range(3):
        limited_log.warning("scan refused")
    assert log.events == ["scan stored"] * 2 + ["scan refused"] * 2
    limited_log.flush()
    assert log.lines[4:] == [
        ("info", "8 more: scan stored", {}),
        ("warning", "1 more: scan refused", {}),
    ]
    limited_log.flush()
    assert len(log.lines) == 6


@pytest.mark.usefixtures("clock")
def test_a_batch_logs_as_many_scans_as_its_second_allows() -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 4)  # type: ignore[arg-type]
    limited_log.debug_each("scan stored", ["a", "b", "c"], pacs="x")
    limited_log.debug_each("scan stored", ["d", "e", "f"], pacs="x")
    limited_log.debug_each("scan stored", ["g"], pacs="x")
    assert log.lines == [
        ("debug", "scan stored", {"scan_id": scan_id, "pacs": "x"}) for scan_id in "abcd"
    ]
    limited_log.flush()
    assert log.lines[-1] == ("debug", "3 more: scan stored", {})


def test_the_next_second_logs_the_count_of_the_last(clock: Clock) -> None:
    log = Lines()
    limited_log = RateLimitedLog(log, 1)  # type: ignore[arg-type]
    for _ in range(5):
        limited_log.info("scan stored")
    clock.now += 1
    limited_log.info("scan stored")
    assert log.events == ["scan stored", "4 more: scan stored", "scan stored"]


# --- availability --------------------------------------------------------------------------------


def test_each_outage_is_logged_once() -> None:
    log = Lines()
    availability = AvailabilityLog(log, "MongoDB")  # type: ignore[arg-type]
    availability.available()
    for _ in range(2):
        availability.unavailable(OSError("refused"))
    for _ in range(2):
        availability.available()
    availability.unavailable("gone")
    assert log.lines == [
        ("warning", "MongoDB is unreachable, retrying", {"reason": "refused"}),
        ("info", "connected to MongoDB", {}),
        ("warning", "MongoDB is unreachable, retrying", {"reason": "gone"}),
    ]


def test_the_first_connection_is_logged_with_announce() -> None:
    log = Lines()
    for announce in (False, True):
        AvailabilityLog(log, "Fr-HUB", announce=announce).available()  # type: ignore[arg-type]
    assert log.events == ["connected to Fr-HUB"]


def test_a_short_outage_is_not_a_warning(clock: Clock) -> None:
    log = Lines()
    availability = AvailabilityLog(log, "Fr-HUB", patience_s=10)  # type: ignore[arg-type]
    for seconds in (0, 5, 4):
        clock.now += seconds
        availability.unavailable("refused")
    availability.available()
    clock.now += 60
    availability.unavailable("closed")
    assert [(level, event) for level, event, _ in log.lines] == [
        ("info", "waiting for Fr-HUB, retrying"),
        ("info", "connected to Fr-HUB"),
        ("info", "lost the connection to Fr-HUB, retrying"),
    ]
    for _ in range(2):
        clock.now += 10
        availability.unavailable("refused")
    assert log.lines[3:] == [("warning", "Fr-HUB is unreachable, retrying", {"reason": "refused"})]


def test_a_peer_that_ends_in_order_is_not_lost() -> None:
    log = Lines()
    availability = AvailabilityLog(log, "pacs-1", patience_s=10)  # type: ignore[arg-type]
    availability.available()
    availability.unavailable(PeerClosed("the peer closed the connection"))
    availability.unavailable("refused")
    availability.available()
    assert log.lines == [
        ("info", "pacs-1 has closed the connection", {}),
        ("info", "connected to pacs-1", {}),
    ]


def test_a_busy_peer_is_logged_until_it_accepts_again() -> None:
    log = Lines()
    availability = AvailabilityLog(log, "Fr-HUB")  # type: ignore[arg-type]
    availability.available()
    for _ in range(2):
        availability.busy()
    for _ in range(2):
        availability.available()
    assert log.lines == [
        ("warning", "Fr-HUB is busy, sending more slowly", {}),
        ("info", "Fr-HUB is no longer busy", {}),
    ]
