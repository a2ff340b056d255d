"""The units' users on a replica set whose members authenticate each other: the same table."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.commands.roles import make_roles, uri_of
from common.mongod.embedded import find_mongod, start_mongod
from common.store.roles import COLLECTIONS, PRIVILEGES
from tests.common.commands.role_table import changes, operations, passes
from tests.factories import migrate
from tests.running import free_port, until

DATABASE = "fr_roles"
ADMIN = "admin-horse"

Client = pymongo.MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The units' URIs, of a set of one member; the database is migrated."""
    folder, port = tmp_path_factory.mktemp("set"), free_port()
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(os.urandom(96).hex())
    options = ("--replSet", "rs0", "--keyFile", str(key), "--oplogSize", "16")
    running = start_mongod(folder, find_mongod(), *options, port=port)
    try:
        members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
        with Client(running.uri, directConnection=True) as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            until(lambda: client.admin.command("hello")["isWritablePrimary"])
            client.admin.command("createUser", "admin", pwd=ADMIN, roles=["userAdminAnyDatabase"])
        uri = f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
        made = make_roles(uri_of(uri, "admin", ADMIN, "admin"), DATABASE, folder / "secrets", 10)
        migrate(made["migrate"].read_text().strip(), DATABASE)
        yield made
    finally:
        running.stop()


@pytest.mark.parametrize("unit", PRIVILEGES)
def test_each_user_may_do_the_same_on_a_replica_set(files: dict[str, Path], unit: str) -> None:
    with Client(files[unit].read_text().strip(), timeoutMS=10_000) as client:
        assert client.admin.command("hello")["setName"] == "rs0"
        database = client[DATABASE]
        may = {
            collection: {
                name
                for name, operation in operations(database, collection).items()
                if passes(operation)
            }
            for collection in COLLECTIONS
        }
        kinds = operations(database, COLLECTIONS[0]).keys()
        written = {name: set(PRIVILEGES[unit].get(name, ())) & kinds for name in COLLECTIONS}
        assert may == written
        if unit != "migrate":
            done = [n for name in COLLECTIONS for n in changes(database, name) if passes(n)]
            assert done == []


@pytest.mark.parametrize("unit", PRIVILEGES)
def test_no_user_reads_the_oplog_or_administers_the_set(files: dict[str, Path], unit: str) -> None:
    """The oplog holds what every collection was written."""
    with Client(files[unit].read_text().strip(), timeoutMS=10_000) as client:
        assert not passes(client["local"]["oplog.rs"].find_one)
        for command in ({"replSetGetConfig": 1}, {"replSetStepDown": 1}, {"replSetGetStatus": 1}):
            assert not passes(partial(client.admin.command, command))
