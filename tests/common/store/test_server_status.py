"""What a unit is connected to and how durable an acknowledgement is there, on real servers."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.errors import StoreError
from common.mongod.embedded import find_mongod, start_mongod
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.server_status import describe
from tests.factories import make_scan, opened, own_mongod
from tests.running import free_port, until


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def folder(stack: ExitStack) -> Path:
    """A short path, as that of a socket must be."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fr-")))


def replica_set(stack: ExitStack, *kinds: str) -> str:
    """A replica set of ``'data'`` members and ``'arbiter'``\\ s; its URI."""
    ports = [free_port() for _ in kinds]
    for port in ports:
        running = start_mongod(
            folder(stack), find_mongod(), "--replSet", "rs0", "--oplogSize", "16", port=port
        )
        stack.callback(running.kill)
    members = [
        {"_id": i, "host": f"127.0.0.1:{port}", "arbiterOnly": kind == "arbiter"}
        for i, (port, kind) in enumerate(zip(ports, kinds, strict=True))
    ]
    with pymongo.MongoClient(  # type: ignore[var-annotated]
        f"mongodb://127.0.0.1:{ports[0]}/?directConnection=true"
    ) as client:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        until(lambda: client.admin.command("hello")["isWritablePrimary"], 60)
    return f"mongodb://127.0.0.1:{ports[0]}/?replicaSet=rs0"


def test_one_server_says_that_its_disk_is_all_there_is(stack: ExitStack) -> None:
    mongod = stack.enter_context(own_mongod(folder(stack)))
    store = stack.enter_context(opened(mongod.uri, "fr"))
    status = store.server.status()
    assert (status.kind, status.members, status.warnings) == ("standalone", 1, ())
    assert "not the loss of its disk" in status.durability


@pytest.mark.long
def test_a_replica_set_with_an_arbiter_says_its_majority_and_warns(
    stack: ExitStack,
) -> None:
    uri = replica_set(stack, "data", "data", "arbiter")
    store = stack.enter_context(opened(uri, "fr"))
    status = store.server.status()
    assert (status.kind, status.members) == ("replica set", 2)
    assert status.durability.startswith("journaled by 2 of 2 members with data")
    [warning] = status.warnings
    assert "arbiters" in warning


def test_a_replica_set_of_one_is_told_from_one_of_three(stack: ExitStack) -> None:
    store = stack.enter_context(opened(replica_set(stack, "data"), "fr"))
    status = store.server.status()
    assert (status.kind, status.members, len(status.warnings)) == ("replica set", 1, 1)
    assert "not the loss of its disk" in status.durability


def test_without_a_journal_nothing_can_be_acknowledged_and_it_says_so(stack: ExitStack) -> None:
    mongod = stack.enter_context(own_mongod(folder(stack), "--nojournal"))
    store = DBManager(mongod.uri, "fr")
    stack.callback(store.close)
    [warning] = store.server.status().warnings
    assert "journaling is off" in warning
    with pytest.raises(StoreError, match="journal"):
        store.scans.add([NewScan(*make_scan())])


@pytest.mark.parametrize(
    ("hello", "kind", "members", "says", "warnings"),
    [
        ({"msg": "isdbgrid"}, "sharded cluster", 0, "members of its shard", 0),
        ({"setName": "r", "hosts": ["a", "b", "c"]}, "replica set", 3, "2 of 3", 0),
        (
            {"setName": "r", "hosts": ["a", "b", "c"], "passives": ["d", "e"]},
            "replica set",
            5,
            "3 of 5 members with data: survives the loss of any 2",
            0,
        ),
        ({"setName": "r", "hosts": ["a", "b"]}, "replica set", 2, "2 of 2", 1),
    ],
)
def test_what_a_server_says_of_itself_is_put_in_words(
    hello: dict[str, Any], kind: str, members: int, says: str, warnings: int
) -> None:
    status = describe(hello, {}, {})
    assert (status.kind, status.members, len(status.warnings)) == (kind, members, warnings)
    assert says in status.durability


def test_an_engine_without_a_disk_is_warned_of() -> None:
    [warning] = describe({}, {}, {"name": "inMemory", "persistent": False}).warnings
    assert "'inMemory' keeps nothing on disk" in warning
