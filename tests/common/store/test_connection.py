"""MongoDB is unreachable, refuses, or the URI names none."""

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest

from common.errors import (
    SettingsError,
    StoreRefused,
    StoreUnavailable,
)
from common.mongod.embedded import RunningMongod
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from tests.factories import (
    make_scan,
    opened,
    own_mongod,
)

NOBODY_LISTENS = "mongodb://127.0.0.1:1/"


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.check_schema(),
        lambda store: store.scans.add([NewScan(*make_scan())]),
        lambda store: store.claims.claim("a", 1, 60),
        lambda store: store.outbox.lease("pacs-1", 1, 60),
        lambda store: list(store.queries.scan_states()),
    ],
    ids=["check_schema", "add_scans", "claim", "lease_reports", "scan_states"],
)
def test_an_unreachable_mongodb_is_reported_soon(call: Any) -> None:
    store = DBManager(NOBODY_LISTENS, "fr", timeout_s=0.2)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
        call(store)
    assert time.monotonic() - began < 2
    store.close()
    store.close()


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:s3cr3t@",
        "mongodb://user:s3cr3t@host:99999/",
        "mongodb://user:s3cr3t@host:s3cr3t/",
        "mongodb://user:s3cr3t:s3cr3t@host/",
        "mongodb://user:s3cr3t@s3cr3t@host/",
        "mongodb://user:a/s3cr3t@host/",
        "mongodb://user:12/s3c r3t?s3cr3t@host/",
        "mongodb://user:a?s3cr3t@host/",
        "mongodb://user:%zzs3cr3t@host/",
        "mongodb://user:s3cr3t@/tmp/mongod.sock",
        "http://user:s3cr3t@host/",
        "mongodb://user:s3cr3t@[::1/",
    ],
)
def test_a_wrong_uri_is_reported_without_its_password(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"^MONGODB_URI: ..") as raised:
        DBManager(uri, "fr")
    told = "".join(traceback.format_exception(raised.value)).split("SettingsError:")[-1]
    assert not any(part in told for part in ("s3c", "r3t", "user:"))
    assert raised.value.__suppress_context__  # nor in a traceback


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("", "host"),
        ("localhost:27017:1", "enclosed"),
        ("mongodb://host:99999/", "Port"),
        ("http://host/", "mongodb://"),
        ("mongodb://host/?tls=true&tlsCAFile=/no/such/file", "/no/such/file"),
    ],
)
def test_a_wrong_uri_is_reported_with_its_fault(uri: str, word: str) -> None:
    with pytest.raises(SettingsError, match=r"^MONGODB_URI: ") as raised:
        DBManager(uri, "fr")
    assert word in str(raised.value)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMongod]:
    """A MongoDB with authentication and one user, who may read and write ``fr``."""
    folder = tmp_path_factory.mktemp("locked")
    with own_mongod(folder) as running, pymongo.MongoClient[Any](running.uri) as client:
        roles = [{"role": "readWrite", "db": "fr"}]
        login: dict[str, Any] = {"pwd": "s3cr3t", "roles": roles}
        # Journaled, as the next line kills it.
        client.admin.command("createUser", "unit", **login, writeConcern={"j": True})
    with own_mongod(folder, "--auth") as running:
        yield running


def test_a_right_password_opens_the_store(locked: RunningMongod) -> None:
    with opened(locked.uri.replace("//", "//unit:s3cr3t@"), "fr") as store:
        assert store.scans.add([NewScan(*make_scan())]) == [Added.STORED]
        with contextlib.closing(store.connection.subscribe(Notification.SCAN, 0.1)) as waiter:
            assert waiter.wait()


@pytest.mark.parametrize(
    ("login", "database"),
    [("unit:wr0ng@", "fr"), ("nobody:wr0ng@", "fr"), ("", "fr"), ("unit:s3cr3t@", "another")],
    ids=["wrong password", "unknown user", "no login", "another database"],
)
def test_a_refused_login_or_command_is_reported_without_the_password(
    locked: RunningMongod, login: str, database: str
) -> None:
    calls: list[Callable[[DBManager], object]] = [
        lambda store: store.check_schema(),
        lambda store: store.scans.add([NewScan(*make_scan())]),
    ]
    for call in calls:
        store = DBManager(locked.uri.replace("//", f"//{login}"), database)
        with contextlib.closing(store), pytest.raises(StoreRefused) as raised:
            call(store)
        assert "wr0ng" not in str(raised.value)
        assert "s3cr3t" not in str(raised.value)
