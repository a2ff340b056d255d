"""The feed from the store to a client: order, resumption without a gap, separation, loss."""

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import make_report, make_scan
from tests.fr_hub.web.live.conftest import HeadersOf
from tests.fr_hub.web.live.streams import watching


def add(store: DBManager, name: str, **overrides: object) -> str:
    scan, voxels = make_scan(scan_id=name, **overrides)
    store.scans.add([NewScan(scan, voxels)])
    return scan.key


def finish(store: DBManager) -> None:
    (claim,) = store.claims.claim("owner-1-1-1", 1, 30.0)
    store.claims.complete([(claim, make_report(claim.scan))])


def test_a_scans_life_is_told_in_order(store: DBManager, port: int, headers_of: HeadersOf) -> None:
    with watching(port, headers_of(Role.READER)) as stream:
        assert (first := stream.next()) is not None
        assert first["kind"] == "ready"
        key = add(store, "scan-1")
        event = stream.until(kind="scan", key=key)
        assert (event["state"], event["pacs"], event["priority"]) == (
            "waiting",
            "pacs-1",
            "routine",
        )
        assert event["n"] > first["n"]
        finish(store)
        # What follows at once is merged: the claim may never be told.
        done, ready = stream.until_all(
            {"kind": "scan", "key": key, "state": "done"},
            {"kind": "report", "key": key, "state": "ready"},
        )
        assert done["revision"] == 1
        store.outbox.mark_sent([key], peer="pacs-1")
        delivered = stream.until(kind="report", key=key, state="delivered")
        assert event["n"] < ready["n"] < delivered["n"]


def test_a_broken_stream_goes_on_without_a_gap(
    store: DBManager, port: int, headers_of: HeadersOf
) -> None:
    headers = headers_of(Role.READER)
    with watching(port, headers) as stream:
        first = add(store, "scan-1")
        stream.until(key=first)
        last = stream.last_id
    missed = [add(store, f"scan-{n}") for n in range(2, 6)]
    with watching(port, headers, last) as stream:
        told: list[str] = []
        while len(told) < len(missed):
            told.append(stream.until(kind="scan")["key"])
        assert told == missed
        assert stream.last_id != last


def test_an_unknown_position_is_answered_with_reset(port: int, headers_of: HeadersOf) -> None:
    headers = headers_of(Role.READER)
    for unknown in ("1", "nonsense"):
        with watching(port, headers, unknown) as stream:
            reset = stream.until(kind="reset")
            assert stream.last_id == str(reset["n"])
