"""What breaks the rules about label maps ends the connection, by name; and nothing stays."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.domain.report import report_id_of
from common.errors import Refusal
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.constants import CHUNK_BYTES, FAILED_SCANS, FEATURES
from common.wire.messages import Ack, Chunk, Failed, Message, Nack, Ping, Report
from tests.factories import make_report, make_scan
from tests.fr_pacs.streams import pacs_settings
from tests.fr_pacs.test_server import hub_of, serving
from tests.label_maps import header_of, label_messages, labels_of, packed
from tests.running import POLICY, RawPeer, answer

SCAN, _ = make_scan(voxels=bytes(1200 * 1000), shape=(1200, 1000))
REPORT = make_report(SCAN)
MAPS = packed(lesions=labels_of(SCAN))
HEADER = header_of(REPORT, MAPS)
BEGIN, *CHUNKS = label_messages(HEADER, MAPS.payload)
OTHER = make_report(make_scan()[0])
LAST = len(CHUNKS) - 1


def test_the_example_has_several_chunks() -> None:
    assert LAST >= 1


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[PacsSettings]:
    """The settings of a running server that wants label maps."""
    settings = pacs_settings(reports=tmp_path / "reports", label_maps=True)
    with serving(settings):
        yield settings


def files(settings: PacsSettings) -> set[str]:
    assert settings.reports is not None
    return {path.name for path in settings.reports.iterdir() if "index.csv" not in path.name}


def end_of(channel: Channel, *messages: Message) -> Nack:
    """How the connection ends on which these are sent."""
    with contextlib.suppress(Exception):  # it may be closed already
        channel.send(*messages)
    nack = answer(channel)
    assert isinstance(nack, Nack)
    assert nack.id is None
    return nack


def damaged(chunk: Message) -> Chunk:
    assert isinstance(chunk, Chunk)
    return Chunk(chunk.scan_id, chunk.n, bytes([chunk.voxels[0] ^ 1]) + bytes(chunk.voxels[1:]))


def with_revision(revision: int) -> Report:
    changed = {"revision": revision, "report_id": report_id_of(REPORT.scan_id, revision)}
    return Report(REPORT.model_copy(update=changed))


BROKEN: dict[str, tuple[list[Any], Refusal]] = {
    "a chunk of nothing": ([CHUNKS[0]], Refusal.UNEXPECTED),
    "a chunk too late": ([BEGIN, CHUNKS[1]], Refusal.CHUNKS),
    "a chunk again": ([BEGIN, CHUNKS[0], CHUNKS[0]], Refusal.CHUNKS),
    "a chunk too many": (
        [BEGIN, *CHUNKS, Chunk(SCAN.scan_id, LAST + 1, b"more")],
        Refusal.CHUNKS,
    ),
    "a chunk too large": ([BEGIN, Chunk(SCAN.scan_id, 0, bytes(CHUNK_BYTES + 1))], Refusal.CHUNKS),
    "a chunk of another scan": ([BEGIN, Chunk("other", 0, bytes(CHUNK_BYTES))], Refusal.CHUNKS),
    "another hash": ([BEGIN, *CHUNKS[:-1], damaged(CHUNKS[-1])], Refusal.HASH),
    "maps again": ([BEGIN, *CHUNKS, BEGIN], Refusal.UNEXPECTED),
    "maps before the last chunk": ([BEGIN, CHUNKS[0], BEGIN], Refusal.UNEXPECTED),
    "a report before the last chunk": ([BEGIN, CHUNKS[0], Report(REPORT)], Refusal.CHUNKS),
    "another report": ([BEGIN, *CHUNKS, Report(OTHER)], Refusal.UNEXPECTED),
    "another revision": ([BEGIN, *CHUNKS, with_revision(2)], Refusal.UNEXPECTED),
    "no report": ([BEGIN, *CHUNKS, Failed(SCAN.scan_id, "it failed")], Refusal.UNEXPECTED),
    "another shape": (
        [
            *label_messages(header_of(REPORT, MAPS, shape=(1000, 1200)), MAPS.payload),
            Report(REPORT),
        ],
        Refusal.HEADER,
    ),
}


@pytest.mark.parametrize(("messages", "code"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_ends_the_connection_and_leaves_nothing(
    asking: PacsSettings, messages: list[Any], code: Refusal
) -> None:
    with hub_of(asking) as channel:
        assert end_of(channel, *messages).code is code
    assert files(asking) == set()
    with hub_of(asking) as channel:  # and others are served
        channel.send(BEGIN, *CHUNKS, Report(REPORT))
        assert answer(channel) == Ack((REPORT.scan_id,))
    assert len(files(asking)) == 3


def test_a_map_of_an_unknown_kind_of_name_ends_the_connection(asking: PacsSettings) -> None:
    document = HEADER.document()
    document["maps"][0]["name"] = "../../lesions"
    with RawPeer(asking.pacs_port, "fr-hub") as peer:
        peer.put({"t": "labels", "labels": document})
        nack = peer.read()
        assert (nack["id"], nack["code"]) == (None, "header")
        assert "../.." not in nack["reason"]
        assert peer.closed()


@pytest.mark.parametrize(
    ("wanted", "features"), [(False, FEATURES), (True, (FAILED_SCANS,))], ids=["set", "listed"]
)
def test_maps_that_nobody_asked_for_end_the_connection(
    tmp_path: Path, wanted: bool, features: tuple[str, ...]
) -> None:
    settings = pacs_settings(reports=tmp_path, label_maps=wanted)
    with (
        serving(settings, policy=replace(POLICY, features=features)),
        hub_of(settings) as channel,
    ):
        nack = end_of(channel, BEGIN)
    assert (nack.code, "LABEL_MAPS" in nack.reason) == (Refusal.UNEXPECTED, True)


def test_pings_may_come_between(asking: PacsSettings) -> None:
    with hub_of(asking) as channel:
        for message in (BEGIN, *CHUNKS, Report(REPORT)):
            channel.send(Ping(), message)
        assert answer(channel) == Ack((REPORT.scan_id,))


def test_an_invalid_report_after_its_maps_is_refused_and_the_connection_goes_on(
    asking: PacsSettings,
) -> None:
    content = {**REPORT.model_dump(), "run_time_ms": "long"}
    with RawPeer(asking.pacs_port, "fr-hub") as peer:
        peer.say(BEGIN, *CHUNKS)
        peer.put({"t": "report", "report": content})
        nack = peer.read()
        assert (nack["id"], nack["code"]) == (REPORT.scan_id, "header")
        peer.say(Report(OTHER))
        assert peer.read()["ids"] == [OTHER.scan_id]
        peer.say(BEGIN, *CHUNKS, Report(REPORT))
        assert peer.read()["ids"] == [REPORT.scan_id]


def test_reports_before_label_maps_are_answered_before_those_have_come(
    asking: PacsSettings,
) -> None:
    with hub_of(asking) as channel:
        channel.send(Report(OTHER), BEGIN, CHUNKS[0])
        assert answer(channel) == Ack((OTHER.scan_id,))
        channel.send(*CHUNKS[1:], Report(REPORT), Report(OTHER))
        assert [answer(channel), answer(channel)] == [
            Ack((REPORT.scan_id,)),
            Ack((OTHER.scan_id,)),
        ]
