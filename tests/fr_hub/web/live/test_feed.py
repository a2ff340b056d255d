"""The feed from the store to a client: order, resumption without a gap, separation, loss."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from websockets.sync.client import connect

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.feed_documents import Change, ChangeKind
from fr_hub.web.context import WebContext
from fr_hub.web.live import replays
from fr_hub.web.live.feed import LiveFeed
from fr_hub.web.live.reader import Taken
from fr_hub.web.live.ring import Batch
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


def test_what_a_reader_reads_after_it_was_let_go_is_not_told(context: WebContext) -> None:
    late = Taken([Batch(7, 0, 7, [Change(ChangeKind.SCAN, ["s@pacs-1"])])], True, False, True)

    async def run() -> tuple[int, bool]:
        feed = LiveFeed(context.store, context.log)
        await feed.ready()
        before = feed._reading
        feed.rest()
        feed._start()
        feed._take_of(before, late)  # the thread had it ready
        found = feed._ring.last, feed._caught_up.is_set()
        feed.close()
        return found

    assert asyncio.run(run()) == (0, False)


def test_replays_are_counted_for_their_user(
    app: FastAPI, port: int, headers_of: HeadersOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BURST", 0)
    with watching(port, headers_of(Role.READER), "1") as stream:
        stream.until(kind="reset")
        [user] = app.state.live._replays._free_at
        assert app.state.live._replays.wait_s(user) >= 0
    headers = headers_of(Role.READER)
    with connect(f"ws://127.0.0.1:{port}/api/v1/events/ws", additional_headers=headers) as client:
        for _ in range(3):
            client.send('{"from": 1}')
        told = 0
        while told < 3:
            events = json.loads(client.recv(timeout=60))["events"]
            told += sum(event["kind"] == "reset" for event in events)
    pace = app.state.live._replays._free_at
    assert len(pace) == 2
