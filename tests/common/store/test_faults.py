"""MongoDB answers with an error, or is killed."""

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId

from common.domain.states import ReportGenerated
from common.errors import (
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from common.mongod.embedded import RunningMongod
from common.store.collections import Collection, Notification
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_scan,
    make_upload,
    opened,
    own_mongod,
)
from tests.running import until


@pytest.fixture(scope="module")
def faulty_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMongod]:
    options = ("--setParameter", "enableTestCommands=1")
    with own_mongod(tmp_path_factory.mktemp("faulty"), *options) as running:
        yield running


class Faults:
    """Fail points of MongoDB."""

    def __init__(self, client: "pymongo.MongoClient[Any]") -> None:
        self._client = client

    def plan(self, *commands: str, times: int = 1, **how: Any) -> None:
        """The next ``times`` of these commands fail so, those of stores only."""
        data = {"failCommands": list(commands), "appName": "fr", **how}
        mode = {"times": times}
        self._client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    def end(self) -> None:
        self._client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
def faults(faulty_mongod: RunningMongod) -> Iterator[Faults]:
    with pymongo.MongoClient[Any](faulty_mongod.uri) as client:
        faults = Faults(client)
        yield faults
        faults.end()


@pytest.fixture
def store(faulty_mongod: RunningMongod) -> Iterator[DBManager]:
    # Errors of a server that steps down, from one that does not: looked at again sooner.
    uri = f"{faulty_mongod.uri}?heartbeatFrequencyMS=500"
    with opened(uri, f"fr_{ObjectId()}") as store:
        yield store


NOT_DURABLE: dict[str, Any] = {
    "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}
}


def rings(store: DBManager) -> int:
    """Wake-ups until now."""
    return inside(store, Collection.NOTIFICATIONS).count_documents(
        {"what": {"$in": list(Notification)}}
    )


def told(store: DBManager) -> int:
    """Events of the feed until now."""
    return inside(store, Collection.EVENTS).count_documents({})


def test_an_insert_that_is_not_durable_yet_is_not_acknowledged(
    store: DBManager, faults: Faults
) -> None:
    new = NewScan(*make_scan())
    faults.plan("insert", **NOT_DURABLE)
    with pytest.raises(StoreUnavailable):
        store.scans.add([new])
    assert document_of(store, new.scan.key) is not None  # it is there, and proves nothing
    assert store.scans.add([new]) == [Added.KNOWN]


def test_a_duplicate_that_is_not_durable_yet_is_not_acknowledged(
    store: DBManager, faults: Faults
) -> None:
    new = NewScan(*make_scan())
    store.scans.add([new])
    faults.plan("update", **NOT_DURABLE)
    with pytest.raises(StoreUnavailable):
        store.scans.add([new])
    large, _ = make_upload(store, chunks=1)
    assert large.blob is not None
    faults.plan("update", **NOT_DURABLE)
    with pytest.raises(StoreUnavailable):
        store.uploads.add_chunks(large.blob, 0, [b"again"])


def test_a_completion_that_is_not_durable_yet_can_be_repeated(
    store: DBManager, faults: Faults
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    until(lambda: rings(store) == 1 and told(store) == 2)  # inserts too
    done = [(claim, make_report(claim.scan))]
    for command in ("insert", "update", "update"):
        faults.plan(command, **NOT_DURABLE)
        with pytest.raises(StoreUnavailable):
            store.claims.complete(done)
    assert store.claims.complete(done) == set()
    assert store.queries.count_reports() == {True: 0, False: 1}


def test_what_a_connection_that_broke_twice_cut_can_be_repeated(
    store: DBManager, faults: Faults
) -> None:
    new, times = NewScan(*make_scan()), 2

    def persistently(call: Any) -> Any:
        for _ in range(times + 1):
            try:
                return call()
            except StoreUnavailable:
                pass
        raise AssertionError("it does not heal")

    # Of scans alone: where the insert of an event breaks the connection, mongod may still execute
    # the insert of a scan that came behind it, and a repetition finds that.
    scans = inside(store).full_name
    faults.plan("insert", times=times, closeConnection=True, namespace=scans)
    assert persistently(lambda: store.scans.add([new])) == [Added.STORED]
    faults.plan("find", "update", times=times, closeConnection=True)
    [claim] = persistently(lambda: store.claims.claim("a", 1, 60))
    faults.plan("insert", "update", times=times, closeConnection=True)
    assert persistently(lambda: store.claims.complete([(claim, make_report(new.scan))])) == set()
    faults.plan("update", times=times, closeConnection=True)
    persistently(lambda: store.outbox.mark_sent([new.scan.key]))
    assert store.queries.count_reports() == {True: 1, False: 0}


def test_a_command_that_takes_too_long_is_cut(faulty_mongod: RunningMongod, faults: Faults) -> None:
    with opened(faulty_mongod.uri, f"fr_{ObjectId()}", timeout_s=0.5) as store:
        faults.plan("insert", blockConnection=True, blockTimeMS=1500)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.scans.add([NewScan(*make_scan())])
        assert time.monotonic() - began < 1.4


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (13, StoreRefused),
        (18, StoreRefused),
        (91, StoreUnavailable),
        (112, StoreUnavailable),
        (189, StoreUnavailable),
        (10107, StoreUnavailable),
        (11600, StoreUnavailable),
        (11602, StoreUnavailable),
        (14031, StoreUnavailable),
        (8, StoreError),
    ],
)
def test_an_error_of_mongodb_says_whether_repeating_helps(
    store: DBManager, faults: Faults, code: int, error: type[StoreError]
) -> None:
    faults.plan("update", errorCode=code)
    with pytest.raises(StoreError) as raised:
        store.outbox.mark_sent(["x"])
    assert type(raised.value) is error


def test_a_scan_that_is_too_large_for_a_document_is_an_error(store: DBManager) -> None:
    large = NewScan(*make_scan(voxels=bytes(17_000_000), shape=(1000, 17_000)))
    with pytest.raises(StoreError):
        store.scans.add([large])
    assert store.queries.count_states()["To Do"] == 0


def test_a_wake_up_that_fails_fails_nothing(store: DBManager, faults: Faults) -> None:
    make_claimable(store, 1)
    until(lambda: rings(store) == 1)
    [claim] = store.claims.claim("a", 1, 60)
    namespace = f"{store.connection.name}.{Collection.NOTIFICATIONS}"
    faults.plan("insert", namespace=namespace, errorCode=11600)
    assert store.claims.release("a", never_started=[claim]) == 1
    assert store.scans.add([NewScan(*make_scan())]) == [Added.STORED]
    until(lambda: rings(store) == 2)  # that of the scans, not that of the release


def test_no_acknowledgement_waits_for_its_wake_up_which_mongodb_does_not_take(
    store: DBManager, faults: Faults
) -> None:
    namespace = f"{store.connection.name}.{Collection.NOTIFICATIONS}"
    faults.plan("insert", namespace=namespace, blockConnection=True, blockTimeMS=8000)
    began = time.monotonic()
    assert store.scans.add([NewScan(*make_scan())]) == [Added.STORED]
    assert time.monotonic() - began < 5
    # It is stalled, as was planned, which another connection sees.
    with opened(store.connection.uri, store.connection.name) as other:
        assert rings(other) == 0


# --- MongoDB is killed ---------------------------------------------------------------------------


def test_closing_does_not_wait_for_an_unreachable_mongodb(tmp_path: Path) -> None:
    with own_mongod(tmp_path) as running, opened(running.uri, "fr") as store:
        waiter = store.connection.subscribe(Notification.SCAN, 30)
        waiter.wait()
        running.kill()
        began = time.monotonic()
        waiter.close()
        store.close()
        assert time.monotonic() - began < 5


def test_what_was_acknowledged_is_there_after_mongod_was_killed(tmp_path: Path) -> None:
    acknowledged: queue.SimpleQueue[str] = queue.SimpleQueue()
    enough = threading.Semaphore(0)

    def send(store: DBManager) -> None:
        for turn in itertools.count():
            new = [NewScan(*make_scan()) for _ in range(1 + turn % 3)]
            try:
                store.scans.add(new)
            except StoreUnavailable:
                return
            for item in new:
                acknowledged.put(item.scan.key)
            enough.release()

    with own_mongod(tmp_path) as running, opened(running.uri, "fr", timeout_s=2) as store:
        reports = [report.key for report in make_reports(store, 3)]
        store.outbox.mark_sent(reports[:1])
        senders = [threading.Thread(target=send, args=(store,)) for _ in range(2)]
        for sender in senders:
            sender.start()
        for _ in range(100):
            enough.acquire()
        running.kill()
        for sender in senders:
            sender.join()
    with own_mongod(tmp_path) as running, opened(running.uri, "fr") as store:
        ids = [acknowledged.get() for _ in range(acknowledged.qsize())]
        assert len(ids) >= 100
        found = store.queries.states_of(ids)
        assert [scan_id for scan_id, (state, _) in found.items() if state != "To Do"] == []
        assert store.queries.states_of(reports) == {
            reports[0]: ("Done", True),
            reports[1]: ("Done", False),
            reports[2]: ("Done", False),
        }


def test_a_durable_report_may_leave_before_its_scan_is_done(
    store: DBManager, faults: Faults
) -> None:
    [scan] = make_claimable(store, 1)
    done = [(claim, make_report(claim.scan)) for claim in store.claims.claim("a", 1, 60)]
    with contextlib.closing(store.connection.subscribe(Notification.REPORT, 1.0)) as hub:
        hub.wait()  # the first one is a false alarm
        faults.plan("update", closeConnection=True)  # that would make it 'Done'
        with pytest.raises(StoreUnavailable):
            store.claims.complete(done)
        assert hub.wait()
    [out] = store.outbox.lease("pacs-1", 1, 60)
    state = document_of(store, scan.key)["report_generated"]
    assert (out.key, state) == (scan.key, ReportGenerated.IN_PROGRESS)
    assert store.claims.complete(done) == set()
    assert document_of(store, scan.key)["report_generated"] == ReportGenerated.DONE
