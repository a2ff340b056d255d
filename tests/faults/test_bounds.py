"""What is above its bound is a violation; what is below it is none."""

from tests.faults.bounds import (
    MEMORY_MIB,
    REPORT_CONNECTIONS,
    RESTART_CONNECTIONS,
    SCAN_CONNECTIONS,
    TRIES,
    Usage,
    exceeded,
)
from tests.faults.checker import Kind

UNITS = {"hub-1": "fr_hub", "brain-1": "fr_brain", "pacs-1": "fr_pacs"}


def kinds(
    memory: dict[str, float] | None = None,
    scans: int = 0,
    reports: int = 0,
    tries: int = 1,
    starts: int = 1,
) -> list[tuple[Kind, str]]:
    links = {"pacs-1 to Fr-HUB": scans, "Fr-HUB to pacs-1": reports}
    usage = Usage(memory or {}, links, {"pacs-1": starts}, tries)
    return [(one.kind, one.subject) for one in exceeded(usage, UNITS)]


def test_use_up_to_the_bounds_is_allowed() -> None:
    memory = {name: float(MEMORY_MIB[unit]) for name, unit in UNITS.items()}
    memory["brain-1 processor"] = float(MEMORY_MIB["processor"])
    assert kinds(memory, SCAN_CONNECTIONS, REPORT_CONNECTIONS, TRIES) == []


def test_memory_above_the_bound_of_its_unit_is_found() -> None:
    over = float(MEMORY_MIB["fr_hub"] + 1)
    assert kinds({"hub-1": over}) == [(Kind.EXCESS, "hub-1")]
    assert kinds({"brain-1": float(MEMORY_MIB["fr_brain"] + 1)}) == [(Kind.EXCESS, "brain-1")]
    assert kinds({"brain-1 processor": float(MEMORY_MIB["fr_brain"] + 1)}) == []


def test_one_report_that_ended_every_connection_would_be_found() -> None:
    assert kinds(reports=70) == [(Kind.EXCESS, "Fr-HUB to pacs-1")]


def test_a_fr_pacs_that_starts_again_and_again_is_connected_to_as_often() -> None:
    allowed = REPORT_CONNECTIONS + 6 * RESTART_CONNECTIONS
    assert kinds(reports=allowed, starts=7) == []
    assert kinds(reports=allowed + 1, starts=7) == [(Kind.EXCESS, "Fr-HUB to pacs-1")]


def test_too_many_connections_and_tries_are_found() -> None:
    assert kinds(scans=SCAN_CONNECTIONS + 1) == [(Kind.EXCESS, "pacs-1 to Fr-HUB")]
    assert kinds(reports=REPORT_CONNECTIONS + 1) == [(Kind.EXCESS, "Fr-HUB to pacs-1")]
    assert kinds(tries=TRIES + 1) == [(Kind.EXCESS, "a report")]
