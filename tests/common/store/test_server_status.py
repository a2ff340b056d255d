"""What Fr-HUB is connected to and what an acknowledgement is worth there, on real servers."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.errors import StoreError
from common.mongod.embedded import find_mongod, start_mongod
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from common.store.server_status import describe
from fr_hub.durability import tell_worth
from tests.factories import opened, own_mongod
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
    about = store.server.status()
    assert (about.kind, about.members, about.warnings) == ("standalone", 1, ())
    assert "not the loss of that disk" in about.worth


def test_a_replica_set_with_an_arbiter_says_its_majority_and_warns(
    stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = replica_set(stack, "data", "data", "arbiter")
    store = stack.enter_context(opened(uri, "fr"))
    about = store.server.status()
    assert (about.kind, about.members) == ("replica set", 2)
    assert about.worth.startswith("in the journals of a majority, 2 of 2 members with data")
    [warning] = about.warnings
    assert "arbiters" in warning
    tell_worth(store, get_log())
    said = capfd.readouterr().out
    assert "2 of 2 members with data" in said
    assert "arbiters" in said


def test_a_replica_set_of_one_is_told_from_one_of_three(stack: ExitStack) -> None:
    store = stack.enter_context(opened(replica_set(stack, "data"), "fr"))
    about = store.server.status()
    assert (about.kind, about.members, len(about.warnings)) == ("replica set", 1, 1)
    assert "not the loss of that disk" in about.worth


def test_without_a_journal_nothing_can_be_acknowledged_and_it_says_so(stack: ExitStack) -> None:
    mongod = stack.enter_context(own_mongod(folder(stack), "--nojournal"))
    store = DBManager(mongod.uri, "fr")
    stack.callback(store.close)
    [warning] = store.server.status().warnings
    assert "journaling is off" in warning
    with pytest.raises(StoreError, match="journal"):
        store.prepare()


def test_a_mongodb_that_has_gone_again_is_no_reason_not_to_start(
    stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    mongod = stack.enter_context(own_mongod(folder(stack)))
    store = stack.enter_context(opened(mongod.uri, "fr", timeout_s=1))
    mongod.kill()
    tell_worth(store, get_log())
    assert "is not known" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("hello", "kind", "members", "says", "warnings"),
    [
        ({"msg": "isdbgrid"}, "sharded cluster", 0, "of its shard's members", 0),
        ({"setName": "r", "hosts": ["a", "b", "c"]}, "replica set", 3, "2 of 3", 0),
        (
            {"setName": "r", "hosts": ["a", "b", "c"], "passives": ["d", "e"]},
            "replica set",
            5,
            "3 of 5 members with data: outlives the loss of 2",
            0,
        ),
        ({"setName": "r", "hosts": ["a", "b"]}, "replica set", 2, "2 of 2", 1),
    ],
)
def test_what_a_server_says_of_itself_is_put_in_words(
    hello: dict[str, Any], kind: str, members: int, says: str, warnings: int
) -> None:
    about = describe(hello, {}, {})
    assert (about.kind, about.members, len(about.warnings)) == (kind, members, warnings)
    assert says in about.worth


def test_an_engine_without_a_disk_is_warned_of() -> None:
    [warning] = describe({}, {}, {"name": "inMemory", "persistent": False}).warnings
    assert "'inMemory' keeps nothing on disk" in warning
