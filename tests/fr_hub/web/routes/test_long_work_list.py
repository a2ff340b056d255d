"""The work list with 100,000 scans: right, and no slower further on than at its beginning."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from fastapi.testclient import TestClient

from common.domain.tenant import tenants_of
from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.scan_counts import PRIORITIES_MAX
from common.store.scan_pages import EXAMINED_MAX, Asked
from fr_hub.web.cursors import cursor_at, place_of
from tests.factories import opened
from tests.fr_hub.web.conftest import NORTH, ClientOf
from tests.many_scans import ManyScan, many_scans, plant_many
from tests.mongo import drop
from tests.profiling import examined

pytestmark = pytest.mark.long

COUNT = 100_000
SCANS = "/api/v1/scans"
TENANT = tenants_of({NORTH: ("mr-1", "mr-2")})["default"]
PAGE, LONG_PAGE = 100, 500
EXAMINED = Collection.SCANS, Collection.REPORTS
RANGES = 30
"""Groups of states and Fr-PACS: a page reads one key more of each."""

Long = list[ManyScan]


@pytest.fixture(scope="module")
def planted() -> Long:
    """All scans, the newest first."""
    return many_scans(COUNT)


@pytest.fixture(scope="module")
def large(mongodb_uri: str, planted: Long) -> Iterator[DBManager]:
    name = f"test_long_{ObjectId()}"
    with opened(mongodb_uri, name, 60.0) as store:
        plant_many(store, planted)
        yield store
    drop(mongodb_uri, name)


@pytest.fixture
def store(large: DBManager) -> DBManager:
    return large


@pytest.fixture(scope="module")
def mine(planted: Long) -> Long:
    """Those of the tenant that the reader is of."""
    return [one for one in planted if one.pacs != "mr-1"]


@pytest.fixture
def reader(client_of: ClientOf) -> TestClient:
    return client_of(Role.READER)


def page_of(client: TestClient, **query: Any) -> tuple[list[str], str | None]:
    """The keys of a page, and where the next one begins."""
    answer = client.get(SCANS, params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [one["key"] for one in page["items"]], page["next"]


def keys_of(scans: Long) -> list[str]:
    return [one.key for one in scans]


def test_the_last_page_reads_no_more_than_the_first(
    store: DBManager, reader: TestClient, mine: Long
) -> None:
    with examined(store, *EXAMINED) as first:
        found, after = page_of(reader, limit=PAGE)
    while len(found) < len(mine) - LONG_PAGE:
        more = store.scan_pages.keys(Asked(TENANT), LONG_PAGE, place_of(after))
        found += more.keys
        after = cursor_at(more.next)
    with examined(store, *EXAMINED) as last:
        rest, end = page_of(reader, limit=LONG_PAGE, after=after)
    assert found + rest == keys_of(mine)
    assert (0 < len(rest) <= LONG_PAGE, end) == (True, None)
    for read, size in ((first, PAGE), (last, len(rest))):
        assert read.documents <= 3 * size  # a scan twice, and its report
        assert read.keys <= 6 * size + 4 * RANGES
        assert not any("COLLSCAN" in plan for plan in read.plans)


Filter = tuple[dict[str, Any], Callable[[ManyScan], bool], int]
IN_INDEX, CHECKED = 2 * PAGE, 2 * (EXAMINED_MAX + PAGE)
FILTERS: dict[str, Filter] = {
    "state": ({"state": "failed"}, lambda one: one.state == "Error", IN_INDEX),
    "Fr-PACS": ({"pacs": "pacs-2"}, lambda one: one.pacs == "pacs-2", IN_INDEX),
    "state and Fr-PACS": (
        {"state": ["waiting", "failed"], "pacs": ["pacs-1", "pacs-3"]},
        lambda one: one.state != "Done" and one.pacs in ("pacs-1", "pacs-3"),
        IN_INDEX,
    ),
    "subject": ({"subject": "sub-02000"}, lambda one: one.subject == "sub-02000", IN_INDEX),
    "verdict": ({"verdict": "warn"}, lambda one: one.verdict == "warn", CHECKED),
    "verdict of none": ({"verdict": "fail"}, lambda one: one.verdict == "fail", CHECKED),
    "analyzer": ({"analyzer": "grid 1"}, lambda one: one.state == "Done", CHECKED),
}


@pytest.mark.sample(len(FILTERS))
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_reads_a_bounded_number_of_scans(
    store: DBManager, reader: TestClient, mine: Long, name: str
) -> None:
    query, matches, bound = FILTERS[name]
    expected = keys_of([one for one in mine if matches(one)])[:PAGE]
    with examined(store, *EXAMINED) as read:
        found, _ = page_of(reader, limit=PAGE, **query)
    assert found == expected
    assert read.documents <= bound
    assert not any("COLLSCAN" in plan for plan in read.plans)


def test_times_choose_a_part_of_the_list(store: DBManager, reader: TestClient, mine: Long) -> None:
    until = mine[50_000].received_at
    since = until - timedelta(minutes=10)
    expected = [one for one in mine if since <= one.received_at <= until]
    times = {"since": since.isoformat(), "until": until.isoformat()}
    with examined(store, *EXAMINED) as read:
        found, after = page_of(reader, limit=PAGE, **times)
        oldest, _ = page_of(reader, limit=PAGE, sort="received_at", **times)
    assert (found, after) == (keys_of(expected), None)
    assert oldest == keys_of(expected)[::-1]
    assert 0 < read.documents <= 4 * len(expected)


def test_the_beginning_of_an_id_or_a_subject_finds_scans(
    store: DBManager, reader: TestClient, mine: Long
) -> None:
    for text in ("0000", "sub-0200"):
        with examined(store, *EXAMINED) as read:
            found, _ = page_of(reader, limit=LONG_PAGE, text=text)
        begins = {one.key for one in mine if one.scan_id.startswith(text)}
        assert set(found) == begins | {one.key for one in mine if one.subject.startswith(text)}
        assert len(found) > 20
        assert read.documents <= 4 * LONG_PAGE


def test_counts_read_one_key_for_each_scan(
    store: DBManager, reader: TestClient, mine: Long
) -> None:
    # The first call reads, and the others get what it found.
    with examined(store, *EXAMINED) as read:
        found = [reader.get(f"{SCANS}/counts").json() for _ in range(3)]
    states = Counter(one.state for one in mine)
    assert found[0]["pacs"] == dict(Counter(one.pacs for one in mine))
    shown = {name: count for name, count in found[0]["states"].items() if count}
    assert shown == {
        "done": states["Done"],
        "failed": states["Error"],
        "waiting": states["To Do"],
    }
    assert found[0]["priorities"]["routine"] == states["To Do"] < PRIORITIES_MAX
    assert read.documents == states["To Do"]
    assert read.keys <= COUNT + states["To Do"] + RANGES
    assert found[1:] == found[:1] * 2
