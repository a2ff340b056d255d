"""Which reports are asked for: those that this run lacks, one request at a time."""

from collections.abc import Iterable

from common.wire.constants import REQUEST_MAX
from fr_pacs.report_requests import ReportRequests


class Lacking:
    """The scans whose reports have not come."""

    def __init__(self, *scan_ids: str) -> None:
        self.ids = set(scan_ids)

    def __call__(self, scan_ids: Iterable[str]) -> list[str]:
        return [one for one in scan_ids if one in self.ids]


def test_what_this_run_lacks_is_asked_for_once() -> None:
    requests = ReportRequests(Lacking("a", "b"))
    assert not requests
    assert requests.next() == ()
    requests.add(["a", "b", "c"])
    assert requests.due
    assert requests.next() == ("a", "b")
    assert requests
    assert not requests.due
    requests.answered(["a", "b"])
    assert not requests


def test_the_next_request_waits_for_the_answer() -> None:
    requests = ReportRequests(Lacking("a", "b"))
    requests.add(["a"])
    assert requests.next() == ("a",)
    requests.add(["b"])
    assert requests.next() == ()
    requests.answered(["a"])
    assert requests.next() == ("b",)


def test_a_report_that_came_meanwhile_is_not_asked_for() -> None:
    lacking = Lacking("a", "b")
    requests = ReportRequests(lacking)
    requests.add(["a", "b"])
    lacking.ids.clear()
    assert requests.next() == ()
    assert not requests


def test_a_request_that_a_lost_connection_took_along_is_sent_again() -> None:
    requests = ReportRequests(Lacking("a"))
    requests.add(["a"])
    requests.next()
    requests.lost()
    assert requests.next() == ("a",)


def test_many_are_asked_for_in_several_requests() -> None:
    ids = [f"scan-{n:04}" for n in range(REQUEST_MAX + 1)]
    requests = ReportRequests(Lacking(*ids))
    requests.add(ids)
    first = requests.next()
    assert len(first) == REQUEST_MAX
    requests.answered(first)
    assert len(requests.next()) == 1
