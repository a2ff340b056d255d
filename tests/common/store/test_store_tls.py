"""MongoDB over TLS, as MONGODB_URI asks for it: a mongod that takes nothing else."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import StoreUnavailable
from common.mongod.embedded import find_mongod
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from tests.common.wire.tls_files import issued
from tests.factories import make_scan, opened
from tests.running import free_port, listens, until

SERVER = "localhost"
"""Its certificate's name, which a client looks at."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("certs"), SERVER, "fr-hub")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[int]:
    """Of a mongod that asks for TLS, and for a certificate of its authority."""
    folder, port = tmp_path_factory.mktemp("mongod"), free_port()
    (folder / "data").mkdir()
    options = {
        "dbpath": folder / "data",
        "logpath": folder / "log",
        "port": port,
        "bind_ip": "127.0.0.1",
        "unixSocketPrefix": folder,
        "tlsMode": "requireTLS",
        "tlsCertificateKeyFile": both(certificates, SERVER),
        "tlsCAFile": certificates / "ca.pem",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    process = subprocess.Popen([find_mongod(), *given], stdout=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or listens(port), 60)
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield port
    finally:
        process.kill()
        process.wait(10)


def both(folder: Path, name: str) -> Path:
    """A certificate and its key in one file, as MongoDB wants them."""
    file = folder / f"{name}-both.pem"
    file.write_text((folder / f"{name}.pem").read_text() + (folder / f"{name}.key").read_text())
    return file


def uri(port: int, certificates: Path, authority: Path) -> str:
    own = both(certificates, "fr-hub")
    return (
        f"mongodb://{SERVER}:{port}/?tls=true&tlsCAFile={authority / 'ca.pem'}"
        f"&tlsCertificateKeyFile={own}"
    )


def test_scans_are_stored_and_wake_ups_heard_over_tls(
    port: int, certificates: Path, database: str
) -> None:
    new = NewScan(*make_scan())
    with opened(uri(port, certificates, certificates), database) as store:
        waiter = store.connection.subscribe(Notification.SCAN, 30)
        assert waiter.wait()
        assert store.scans.add([new]) == [Added.STORED]
        assert waiter.wait()
        waiter.close()
        [claim] = store.claims.claim("somebody", 1, 60)
        assert claim.scan == new.scan


@pytest.mark.parametrize("what", ["no TLS", "no certificate", "another authority"])
def test_what_tls_refuses_is_never_a_store(
    port: int, certificates: Path, database: str, tmp_path: Path, what: str
) -> None:
    plain = f"mongodb://{SERVER}:{port}/"
    wrong = {
        "no TLS": plain,
        "no certificate": f"{plain}?tls=true&tlsCAFile={certificates / 'ca.pem'}",
        "another authority": uri(port, certificates, issued(tmp_path / "other", SERVER)),
    }
    store = DBManager(wrong[what], database, timeout_s=2)
    try:
        with pytest.raises(StoreUnavailable):
            store.check_schema()
    finally:
        store.close()
