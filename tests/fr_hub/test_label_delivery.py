"""Label maps go before their report to a Fr-PACS that wants them, and never hold it up."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from common.domain import labels_header
from common.domain.label_maps import PackedMaps
from common.domain.labels_header import LabelsHeader
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.tenant import tenants_of
from common.domain.types import DEFAULT_TENANT
from common.errors import Refusal
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.blocking_connection import Channel
from common.wire.constants import FAILED_SCANS
from common.wire.messages import Ack, Chunk, Labels, Nack, Report
from common.wire.scan_transfer import LabelsVerifier
from fr_hub import answers, delivery
from fr_hub.context import HubContext
from tests.factories import document_of, inside, make_claimable, make_reports
from tests.fr_hub.pushing import Reports, due_at, is_sent, next_report, pushing
from tests.fr_hub.stores import hub_context
from tests.label_maps import (
    AFFINE,
    analyse_again,
    complete,
    labels_of,
    make_labelled,
    packed,
    unpacked,
)
from tests.processes import hub_process, peak_memory_mib
from tests.running import FRAME, answer, hub_settings, until

LARGE: dict[str, Any] = {"shape": (1500, 1500), "voxels_bytes": 1500 * 1500}
"""Of a scan whose label maps are larger than a frame and than a chunk of the store."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that follow soon."""
    for module in (answers, delivery):
        monkeypatch.setattr(module, "delay_s", lambda *_: 0.01)


def next_maps(channel: Channel) -> tuple[LabelsHeader, bytes]:
    """The label maps that come next, checked as Fr-PACS does."""
    begin = answer(channel)
    assert isinstance(begin, Labels), begin
    verifier, payload = LabelsVerifier(begin.header), bytearray()
    while not verifier.complete:
        chunk = answer(channel)
        assert isinstance(chunk, Chunk)
        verifier.add(chunk)
        payload += chunk.voxels
    return begin.header, bytes(payload)


def warnings(logs: list[Any]) -> list[tuple[str, str]]:
    return [
        (log["scan_id"], log["reason"]) for log in logs if log["event"] == "label maps left out"
    ]


@pytest.mark.parametrize("scan", [{}, LARGE], ids=["small", "large"])
def test_the_label_maps_come_before_their_report_as_they_are_stored(
    store: DBManager, pacs: Reports, scan: dict[str, Any]
) -> None:
    report, lesions, tissues = make_labelled(store, affine=AFFINE, **scan)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        header, payload = next_maps(channel)
        assert next_report(channel) == report.scan_id
        channel.send(Ack((report.scan_id,)))
        until(lambda: is_sent(store, report.scan_id))
    assert (len(payload) > FRAME) is bool(scan)
    assert (header.scan_id, header.revision) == (report.scan_id, 1)
    assert (header.shape, header.affine) == (report.shape, AFFINE)
    found = unpacked(PackedMaps(header.maps, payload), scan_of(store, report))
    assert found.keys() == {"lesions", "tissues"}
    assert np.array_equal(found["lesions"], lesions)
    assert np.array_equal(found["tissues"], tissues)


def scan_of(store: DBManager, report: BrainReport) -> BrainScan:
    labels = store.labels.find(tenants_of({})[DEFAULT_TENANT], report.key)
    assert labels is not None
    return labels.scan


def test_a_fr_pacs_that_does_not_ask_gets_reports_alone(store: DBManager, pacs: Reports) -> None:
    report, *_ = make_labelled(store)
    with (
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept(features=(FAILED_SCANS,))) as channel,
    ):
        assert next_report(channel) == report.scan_id


def test_reports_with_and_without_label_maps_keep_their_order(
    store: DBManager, pacs: Reports
) -> None:
    plain = make_reports(store, 2)
    labelled, *_ = make_labelled(store)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert {next_report(channel), next_report(channel)} == {one.scan_id for one in plain}
        header, _ = next_maps(channel)
        assert next_report(channel) == header.scan_id == labelled.scan_id


def test_a_report_that_is_asked_for_again_brings_its_label_maps_again(
    store: DBManager, pacs: Reports
) -> None:
    report, *_ = make_labelled(store)
    with pushing(store, pacs.settings()) as hub, contextlib.closing(pacs.accept()) as channel:
        for _ in range(2):
            header, _ = next_maps(channel)
            assert next_report(channel) == header.scan_id == report.scan_id
            channel.send(Ack((report.scan_id,)))
            until(lambda: is_sent(store, report.scan_id))
            store.report_requests.request([report.key], "pacs-1")
            hub.wake()


def test_each_revision_comes_with_its_own(store: DBManager, pacs: Reports) -> None:
    report, *_ = make_labelled(store)
    with pushing(store, pacs.settings()) as hub, contextlib.closing(pacs.accept()) as channel:
        next_maps(channel)
        assert next_report(channel) == report.scan_id
        channel.send(Ack((report.scan_id,)))
        until(lambda: is_sent(store, report.scan_id))
        scan = scan_of(store, report)
        again = labels_of(scan, 7)
        analyse_again(store, report.key, packed(lesions=again))
        hub.wake()
        header, payload = next_maps(channel)
        assert next_report(channel) == report.scan_id
    assert header.revision == 2
    found = unpacked(PackedMaps(header.maps, payload), scan)
    assert found.keys() == {"lesions"}
    assert np.array_equal(found["lesions"], again)


def of_chunks(change: Any) -> Any:
    return lambda store, _: inside(store, Collection.LABELS).update_many({}, change)


DAMAGE = {
    "missing": lambda store, _: inside(store, Collection.LABELS).delete_many({}),
    "cut": of_chunks({"$set": {"labels": b"x"}}),
    "no bytes": of_chunks({"$set": {"labels": 5}}),
    "description": lambda store, key: inside(store, Collection.REPORTS).update_one(
        {"_id": key}, {"$set": {"labels.maps": 5}}
    ),
    "name": lambda store, key: inside(store, Collection.REPORTS).update_one(
        {"_id": key}, {"$set": {"labels.maps.1.name": "lesions"}}
    ),
}


def flip(store: DBManager, _: str) -> None:
    """Other bytes of the same length."""
    chunks = inside(store, Collection.LABELS)
    for chunk in list(chunks.find()):
        other = bytes(byte ^ 1 for byte in chunk["labels"])
        chunks.update_one({"_id": chunk["_id"]}, {"$set": {"labels": other}})


@pytest.mark.parametrize("damage", [*DAMAGE.values(), flip], ids=[*DAMAGE, "flipped"])
def test_a_report_whose_label_maps_are_damaged_comes_without_them_and_the_log_says_so(
    store: DBManager, pacs: Reports, damage: Any
) -> None:
    report, *_ = make_labelled(store)
    damage(store, report.key)
    with (
        capture_logs() as logs,
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert next_report(channel) == report.scan_id
        [(scan_id, reason)] = warnings(logs)
    assert scan_id == report.scan_id
    assert "label maps" in reason or "sent" in reason


def test_more_than_can_be_sent_is_left_out(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_header, "PACKED_MAX", 10)
    report, *_ = make_labelled(store)
    with (
        capture_logs() as logs,
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert next_report(channel) == report.scan_id
        [(_, reason)] = warnings(logs)
    assert "more than 10 bytes" in reason


# --- a Fr-PACS that ends the connection ----------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_label_maps_that_fr_pacs_refuses_do_not_keep_their_report_or_others_from_it(
    store: DBManager, pacs: Reports
) -> None:
    labelled, *_ = make_labelled(store)
    with capture_logs() as logs:
        with pushing(store, pacs.settings()):
            with contextlib.closing(pacs.accept()) as channel:
                next_maps(channel)
                channel.send(Nack(None, Refusal.HEADER, "labels: not known here", retry=False))
            with contextlib.closing(pacs.accept()) as channel:
                assert next_report(channel) == labelled.scan_id
                channel.send(Ack((labelled.scan_id,)))
                until(lambda: is_sent(store, labelled.scan_id))
                # Another one comes with its own, and so does this one when it is asked for again.
                other, *_ = make_labelled(store)
                next_maps(channel)
                assert next_report(channel) == other.scan_id
                store.report_requests.request([labelled.key], "pacs-1")
                next_maps(channel)
        assert [scan_id for scan_id, _ in warnings(logs)] == [labelled.scan_id]
    assert list(store.undeliverable.all()) == []


@pytest.mark.usefixtures("quick")
def test_where_connections_are_lost_again_and_again_a_report_is_tried_without_label_maps(
    store: DBManager, pacs: Reports
) -> None:
    report, *_ = make_labelled(store)
    losses = 0
    with pushing(store, pacs.settings()):
        while True:
            with contextlib.closing(pacs.accept()) as channel:
                first = answer(channel)
                if isinstance(first, Report):
                    channel.send(Ack((report.scan_id,)))
                    until(lambda: is_sent(store, report.scan_id))
                    break
                losses += 1
    assert losses in (delivery.MAX_LOSSES // 2, delivery.MAX_LOSSES // 2 + 1)


@pytest.mark.usefixtures("quick")
def test_a_full_disk_at_fr_pacs_costs_no_report_its_label_maps(
    store: DBManager, pacs: Reports
) -> None:
    report, *_ = make_labelled(store)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        for _ in range(2 * delivery.MAX_LOSSES):
            next_maps(channel)
            assert next_report(channel) == report.scan_id
            channel.send(Nack(report.scan_id, Refusal.UNAVAILABLE, "the disk is full", retry=True))


# --- time and memory -----------------------------------------------------------------------------


@contextlib.contextmanager
def slow_reads(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reads of label maps that take long until the event is set."""
    labels, done = type(store.labels), threading.Event()
    read = labels.packed

    def slow(self: Any, *args: Any) -> bytes:
        done.wait(0.2)
        return read(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(labels, "packed", slow)
        yield done


def test_leases_are_renewed_while_large_label_maps_are_sent(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LEASE_S", 0.4)
    first, *_ = make_labelled(store, **LARGE)
    [second] = make_reports(store, 1)
    with (
        slow_reads(store, monkeypatch) as done,
        pushing(store, pacs.settings()),
        contextlib.closing(pacs.accept()) as channel,
    ):
        until(lambda: document_of(store, second.key, Collection.REPORTS).get("leased_by"))
        for report in (first, second):
            leased = due_at(store, report.scan_id)
            until(lambda: due_at(store, report.scan_id) > leased)  # noqa: B023
        done.set()
        next_maps(channel)
        assert {next_report(channel), next_report(channel)} == {first.scan_id, second.scan_id}
        channel.send(Ack((first.scan_id, second.scan_id)))
        until(lambda: is_sent(store, first.scan_id) and is_sent(store, second.scan_id))
    for report in (first, second):
        assert document_of(store, report.key, Collection.REPORTS)["tries"] == 1


def test_stopping_sends_no_further_label_maps_and_their_reports_are_due_at_once(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, *_], [second, *_] = make_labelled(store, **LARGE), make_labelled(store)
    with (
        slow_reads(store, monkeypatch) as done,
        pushing(store, pacs.settings()) as hub,
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert isinstance(answer(channel), Labels)
        hub.stop()
        done.set()
        while isinstance(event := answer(channel), Chunk):
            pass
        assert isinstance(event, Report)
        channel.send(Ack((event.report.scan_id,)))
        assert hub.ended()
    assert event.report.scan_id == first.scan_id
    assert is_sent(store, first.scan_id)
    left = document_of(store, second.key, Collection.REPORTS)
    assert (left["status"], left.get("leased_by"), left["tries"]) == (False, None, 0)


def test_label_maps_of_any_size_are_sent_in_bounded_memory(store: DBManager) -> None:
    side = 6000
    [scan] = make_claimable(store, 1, shape=(side, side), voxels_bytes=side * side)
    [claim] = store.claims.claim("maker", 1, 60)
    noise = np.random.default_rng(1).integers(0, 256, (side, side), np.uint8)
    with contextlib.ExitStack() as stack:
        pacs = stack.enter_context(Reports())
        settings = hub_settings(hub_pacs={"pacs-1": pacs.address})
        _, pid = stack.enter_context(hub_process(store, settings, HUB_MEMORY_MIB="64"))
        channel = stack.enter_context(contextlib.closing(pacs.accept()))
        before = peak_memory_mib(pid)
        complete(store, claim, packed(noise=noise))
        header, payload = next_maps(channel)
        assert next_report(channel) == scan.scan_id
        taken = peak_memory_mib(pid) - before
    assert header.bytes == len(payload) > 30e6
    assert taken < 25, f"{taken:.0f} MiB"


def test_an_earlier_revision_that_is_under_way_keeps_its_own(store: DBManager) -> None:
    report, lesions, _ = make_labelled(store)
    analyse_again(store, report.key, packed(lesions=labels_of(scan_of(store, report), 7)))

    async def read(hub: HubContext) -> bytes:
        assert await hub.store.labels("pacs-2", report.key, 1) is None
        found = await hub.store.labels("pacs-1", report.key, 1)
        assert found is not None
        return await hub.store.packed_labels(found, found.maps[0].offset, found.maps[0].end)

    with hub_context(store) as hub:
        assert asyncio.run(read(hub)) == packed(lesions=lesions).payload
