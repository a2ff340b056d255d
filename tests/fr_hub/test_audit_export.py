"""The audit trail reaches a syslog server whole, whatever happens to the server meanwhile."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from structlog.testing import capture_logs

from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.syslog import SyslogServer, syslog_context
from fr_hub import audit_export
from fr_hub.audit_export import AuditExport, exporting
from tests.common.wire.tls_files import issued
from tests.factories import inside
from tests.running import free_port, hub_settings, until
from tests.syslog_receiver import SyslogReceiver


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("tls"), "localhost")


@contextlib.contextmanager
def exported(store: DBManager, folder: Path, port: int) -> Iterator[AuditExport]:
    server = SyslogServer(("localhost", port), syslog_context(folder / "ca.pem", None, None))
    export = AuditExport(store.audit_exports, server, get_log(), 0.05)
    with contextlib.closing(export):
        yield export


def write(store: DBManager, numbers: range) -> None:
    """A chain with a claim of each of these scans."""
    with contextlib.closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        for n in numbers:
            audit.note(Kind.CLAIM, [f"s-{n}@pacs-1"])
            if n % 3 == 0:
                audit.wait_durable()


def scans_in(messages: list[bytes]) -> list[str]:
    found = []
    for one in messages:
        header, _, xml = one.partition(b"\xef\xbb\xbf")
        assert b"DICOM+RFC3881" in header
        root = Xml.fromstring(xml)  # noqa: S314 - made by us
        names = [key.get("ParticipantObjectID", "") for key in root.iter()]
        found += [name for name in names if "@" in name]
    return found


def kinds_in(messages: list[bytes]) -> list[str]:
    roots = [
        Xml.fromstring(one.partition(b"\xef\xbb\xbf")[2])  # noqa: S314 - made by us
        for one in messages
    ]
    return [root.findtext("EventIdentification/EventOutcomeDescription") or "" for root in roots]


def is_done(store: DBManager) -> bool:
    return not list(store.audit_exports.unsent())


def test_no_event_is_lost_while_the_server_is_away_breaks_and_comes_back(
    store: DBManager, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "ENTRIES_PER_CONNECTION", 3)  # several connections
    port, received = free_port(), []
    unreachable = "the syslog server of the audit trail is unreachable"
    with capture_logs() as logs, exported(store, folder, port):
        write(store, range(20))
        # Not from what it prints: capfd may lose a line that comes while it is read.
        until(lambda: any(unreachable in one["event"] for one in logs))
        with SyslogReceiver(folder, port, breaks_after=300) as breaking:
            until(lambda: breaking.broken >= 2)
        assert not is_done(store)
        with SyslogReceiver(folder, port) as server:
            until(lambda: is_done(store))
            received += server.messages
        write(store, range(20, 30))  # while it is down again
        with SyslogReceiver(folder, port) as again:
            until(lambda: is_done(store))
            received += again.messages
        assert not set(scans_in(again.messages)) & {f"s-{n}@pacs-1" for n in range(20)}
    assert set(scans_in(received)) == {f"s-{n}@pacs-1" for n in range(30)}
    assert {"opened", "closed", "claim"} <= set(kinds_in(received))


def test_another_process_goes_on_where_one_ended(store: DBManager, folder: Path) -> None:
    write(store, range(4))
    with SyslogReceiver(folder) as server:
        with exported(store, folder, server.port):
            until(lambda: is_done(store))
        first = len(server.messages)
        write(store, range(4, 6))
        with exported(store, folder, server.port), exported(store, folder, server.port):
            until(lambda: is_done(store))
        assert scans_in(server.messages[first:]) == ["s-4@pacs-1", "s-5@pacs-1"]


def test_damaged_entries_are_told_and_do_not_stop_the_others(
    store: DBManager, folder: Path
) -> None:
    write(store, range(3))
    trail = inside(store, Collection.AUDIT)
    [first] = trail.find({"_id.seq": 0})
    trail.update_one({"_id": first["_id"]}, {"$set": {"events": 7}})
    second = {**first["_id"], "seq": 1}
    trail.update_one({"_id": second}, {"$set": {"events": [{"kind": {}, "at": 1}, "x"]}})
    with SyslogReceiver(folder) as server, exported(store, folder, server.port):
        until(lambda: is_done(store))
        told = kinds_in(server.messages)
    assert told.count("damaged entry") == 2
    assert told[-1] == "closed"


def test_a_hub_exports_if_a_server_is_named(store: DBManager, folder: Path) -> None:
    write(store, range(1))
    with exporting(hub_settings(), store.audit_exports, get_log()):
        pass
    with SyslogReceiver(folder) as server:
        settings = hub_settings(
            audit_syslog=("localhost", server.port), audit_syslog_ca=folder / "ca.pem"
        )
        with exporting(settings, store.audit_exports, get_log()):
            until(lambda: is_done(store))
        assert scans_in(server.messages) == ["s-0@pacs-1"]
