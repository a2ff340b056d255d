"""The two ways to watch, on real sockets: who may, where a stream goes on, what is refused."""

import contextlib
import json
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from common.domain.measurement import MeasurementKind, NewMeasurement
from common.domain.patient import NewPatient
from common.domain.types import utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.feed_documents import reports_changed
from fr_hub.web import gate
from fr_hub.web.context import WebContext
from tests.factories import make_scan
from tests.fr_hub.web.conftest import NORTH
from tests.fr_hub.web.live.conftest import HeadersOf
from tests.fr_hub.web.live.conftest import headers_of as headers_of
from tests.fr_hub.web.live.conftest import port, stopping
from tests.fr_hub.web.live.streams import watching

__all__ = ["port", "stopping"]


def add(store: DBManager, name: str, pacs: str = "pacs-1") -> str:
    scan, voxels = make_scan(scan_id=name, pacs=pacs)
    store.scans.add([NewScan(scan, voxels)])
    return scan.key


def url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/api/v1/events/ws"


def received(client: ClientConnection, kind: str, **wanted: Any) -> tuple[int, dict[str, Any]]:
    """The next event with these fields, and the position of its message."""
    while True:
        message = json.loads(client.recv(timeout=60))
        for event in message["events"]:
            if event["kind"] == kind and wanted.items() <= event.items():
                return message["position"], event


def closed_with(client: ClientConnection) -> int | None:
    """The code with which the server closes, after whatever it sends before."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=60)
    return client.close_code


def test_a_websocket_tells_the_same_and_goes_on_where_it_is_asked_to(
    store: DBManager, port: int, headers_of: HeadersOf
) -> None:
    headers = headers_of(Role.READER)
    with connect(url(port), additional_headers=headers) as client:
        received(client, "ready")
        key = add(store, "scan-1")
        position, event = received(client, "scan", key=key)
        assert event["state"] == "waiting"
    missed = add(store, "scan-2")
    with connect(url(port), additional_headers=headers) as client:
        received(client, "ready")
        client.send(json.dumps({"from": position}))
        received(client, "scan", key=missed)
        client.send(json.dumps({"from": 1}))
        received(client, "reset")
    with connect(f"{url(port)}?from={position}", additional_headers=headers) as client:
        received(client, "scan", key=missed)


def test_what_is_not_understood_ends_a_websocket(port: int, headers_of: HeadersOf) -> None:
    headers = headers_of(Role.READER)
    for text in ("x", "[]", '{"from": "1"}', '{"from": true}'):
        with connect(url(port), additional_headers=headers) as client:
            received(client, "ready")
            client.send(text)
            assert closed_with(client) == 1007


def test_each_sees_its_tenants_scans_and_what_its_rights_allow(
    store: DBManager, port: int, headers_of: HeadersOf
) -> None:
    north = headers_of(Role.READER, tenant=NORTH)
    clinician = headers_of(Role.CLINICIAN, tenant=NORTH)
    with watching(port, north) as reader, watching(port, clinician) as personal:
        for stream in (reader, personal):
            stream.until(kind="ready")
        add(store, "scan-1")
        store.patients.add(NORTH, "patient-1", NewPatient(name="Eve"))
        new = NewMeasurement(kind=MeasurementKind.WEIGHT, value=70, unit="kg", taken_at=utc_now())
        store.measurements.add(NORTH, "patient-1", "measurement-1", new)
        key = add(store, "scan-2", "mr-1")
        event = personal.until(kind="measurement")
        assert (event["id"], event["state"]) == ("measurement-1", "created")
        assert "70" not in str({k: v for k, v in event.items() if k not in ("n", "at")})
        event = reader.next() or {}
        while event["kind"] in ("unit", "queue", "reset"):
            event = reader.next() or {}
        assert (event["kind"], event["key"]) == ("scan", key)


def test_who_may_not_read_or_comes_from_another_site_is_refused(
    port: int, headers_of: HeadersOf
) -> None:
    auditor, reader = headers_of(Role.AUDITOR), headers_of(Role.READER)
    page = f"http://127.0.0.1:{port}/api/v1/events"
    for headers, status in (({}, 401), (auditor, 403)):
        assert httpx2.get(page, headers=headers).status_code == status
    foreign = {**reader, "Origin": "http://evil.example"}
    for headers in ({}, auditor, foreign):
        with pytest.raises(InvalidStatus) as refused:
            connect(url(port), additional_headers=headers)
        assert refused.value.response.status_code == 403
    own = {**reader, "Origin": f"http://127.0.0.1:{port}"}
    with connect(url(port), additional_headers=own) as client:
        received(client, "ready")


def test_a_stream_ends_when_its_user_may_not_see_measurements_any_more(
    store: DBManager, port: int, headers_of: HeadersOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "RECHECK_S", 0.1)
    clinician, reader = headers_of(Role.CLINICIAN), headers_of(Role.READER)
    with watching(port, clinician) as personal, watching(port, reader) as other:
        for stream in (personal, other):
            stream.until(kind="ready")
        for user in store.users.of_tenant("default"):
            store.users.change(user.name, roles=[Role.READER])
        while personal.next() is not None:
            pass
        store.connection.feed.tell(reports_changed(["scan-1@pacs-1"], "ready", 1))
        other.until(kind="report", key="scan-1@pacs-1")


def test_a_stream_ends_when_its_user_has_left(
    context: WebContext, port: int, headers_of: HeadersOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "RECHECK_S", 0.1)
    headers = headers_of(Role.READER)
    with watching(port, headers) as stream, connect(url(port), additional_headers=headers) as ws:
        stream.until(kind="ready")
        received(ws, "ready")
        for user in context.store.users.of_tenant("default"):
            context.store.users.remove(user.name, "default")
        while stream.next() is not None:
            pass
        assert closed_with(ws) == 4401
