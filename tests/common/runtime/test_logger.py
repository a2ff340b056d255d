import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from common.errors import Refusal
from common.runtime import logger
from common.runtime.logger import Digest, Presence, configure, get_log


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


# --- digest ------------------------------------------------------------------------------------


def test_a_digest_tells_each_event_while_they_are_few(clock: Clock) -> None:
    log = Lines()
    digest = Digest(log, 2)  # type: ignore[arg-type]
    for _ in range(3):
        digest.info("scan stored", scan_id="a")
        digest.warning("scan refused", scan_id="b")
        clock.now += 1
    digest.flush()
    assert log.lines == 3 * [
        ("info", "scan stored", {"scan_id": "a"}),
        ("warning", "scan refused", {"scan_id": "b"}),
    ]


@pytest.mark.usefixtures("clock")
def test_a_digest_counts_what_comes_often() -> None:
    log = Lines()
    digest = Digest(log, 2)  # type: ignore[arg-type]
    for n in range(10):
        digest.info("scan stored", n=n)
    for _ in range(3):
        digest.warning("scan refused")
    assert log.events == ["scan stored"] * 2
    digest.flush()
    (_, stored, _), (_, refused, _) = log.lines[2:]
    assert "scan stored" in stored
    assert "8 more" in stored
    assert "scan refused" in refused
    assert "3 more" in refused
    digest.flush()
    assert len(log.lines) == 4


@pytest.mark.usefixtures("clock")
def test_a_digest_tells_each_scan_of_a_batch_as_far_as_there_is_room() -> None:
    log = Lines()
    digest = Digest(log, 4)  # type: ignore[arg-type]
    digest.info_each("scan stored", ["a", "b", "c"], pacs="x")
    digest.info_each("scan stored", ["d", "e", "f"], pacs="x")
    digest.info_each("scan stored", ["g"], pacs="x")
    assert log.lines == [
        ("info", "scan stored", {"scan_id": scan_id, "pacs": "x"}) for scan_id in "abcd"
    ]
    digest.flush()
    assert "3 more" in log.lines[-1][1]


def test_a_digest_tells_the_rest_of_a_second_with_the_next_event(clock: Clock) -> None:
    log = Lines()
    digest = Digest(log, 1)  # type: ignore[arg-type]
    for _ in range(5):
        digest.info("scan stored")
    clock.now += 1
    digest.info("scan stored")
    first, rest, last = log.events
    assert first == last == "scan stored"
    assert "4 more" in rest


# --- presence ----------------------------------------------------------------------------------


def test_presence_is_told_once_each_time_it_changes() -> None:
    log = Lines()
    presence = Presence(log, "Fr-HUB")  # type: ignore[arg-type]
    presence.away(OSError("refused"))
    presence.away(OSError("refused"))
    presence.here()
    presence.here()
    presence.away("gone")
    assert log.lines == [
        ("warning", "Fr-HUB is away, trying again", {"reason": "refused"}),
        ("info", "Fr-HUB is there", {}),
        ("warning", "Fr-HUB is away, trying again", {"reason": "gone"}),
    ]


def test_a_peer_that_is_there_from_the_start_is_told() -> None:
    log = Lines()
    Presence(log, "MongoDB").here()  # type: ignore[arg-type]
    assert log.events == ["MongoDB is there"]
