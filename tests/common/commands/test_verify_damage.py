"""One damaged document among sound ones: ``fr verify`` names it, and checks all the others."""

import io
from typing import Any

import pytest

from common.commands.verify import show, verify
from common.runtime.console import Console
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.schema import SCHEMA_VERSION
from tests.common.commands.test_verify import plant_gaps
from tests.common.store.damaging import Damage, removing, setting, undecodable, with_id
from tests.factories import inside, make_claimable, make_failed, make_reports, make_upload

BAD_ID = "\ufffd" * len("to-be-bad")


def at_work(store: DBManager) -> None:
    """A store with scans in several states, and four gaps."""
    make_reports(store, 2)
    make_failed(store, 1)
    new, _ = make_upload(store)
    assert new.blob is not None
    store.scans.add([new])
    store.uploads.end(new.scan.key, new.blob)
    plant_gaps(store)


def shown(store: DBManager) -> tuple[str, int]:
    verdict = verify(store)
    deep = verify(store, deep=True)
    assert deep.gaps >= verdict.gaps
    assert deep.hashed
    out = io.StringIO()
    show(verdict, Console(file=out, width=300))
    assert (len(verdict.done_without_report), len(verdict.report_without_scan)) >= (2, 2)
    return out.getvalue(), verdict.gaps


@pytest.mark.sample(6)
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            setting(schema=SCHEMA_VERSION + 1),
            f"'schema' is {SCHEMA_VERSION + 1}, so only a newer release takes it",
        ),
        (removing("schema"), "'schema' is missing or has the wrong type, so no unit takes it"),
        (setting(report_generated="Lost"), "unknown state: {key}"),
        (setting(report_generated=3), "unknown state: {key}"),
        (removing("report_generated"), "unknown state: {key}"),
        (undecodable("report_generated"), "unknown state: {key}"),
        (removing("turn_at"), "'turn_at' is missing"),
        (setting(attempts="x"), "'attempts' has the wrong type"),
        (setting(scan="round"), "its header is damaged"),
        (setting(scan__voxels_bytes="x"), "its header is damaged"),
        (setting(packing="x"), "'packing' has the wrong type"),
        (setting(voxels=3), "stored voxels are missing: {key}"),
        (removing("voxels"), "stored voxels are missing: {key}"),
        (setting(blob="x"), "'blob' has the wrong type"),
        (setting(revision="x"), "'revision' has the wrong type"),
        (undecodable("scan.subject"), "it has bytes that cannot be decoded"),
        (with_id(5), "damaged scan: 5: its id has the wrong type"),
        (with_id({"x": "\x1b[2J"}), "damaged scan: {{'x': '\\x1b[2J'}}: its id has the wrong type"),
        (with_id("undecodable"), f"damaged scan: {BAD_ID}: its id cannot be decoded"),
    ],
)
def test_a_damaged_scan_is_named_and_hides_no_gap(
    store: DBManager, damage: Damage, text: str
) -> None:
    at_work(store)
    before = verify(store).gaps
    damaged, _ = (scan.key for scan in make_claimable(store, 2))
    damage(store, Collection.SCANS, damaged)
    output, gaps = shown(store)
    assert text.format(key=damaged) in output
    assert damaged in output or "_id" in text or "its id" in text
    assert "\x1b" not in output
    assert gaps > before
    assert "make erase" in output


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (removing("status"), "{key}: 'status' is missing"),
        (setting(status=1), "{key}: 'status' has the wrong type"),
        (undecodable("status"), "{key}: it has bytes that cannot be decoded"),
        (undecodable("pacs"), "{key}: it has bytes that cannot be decoded"),
        (setting(pacs=3), "{key}: 'pacs' has the wrong type"),
        (setting(tries="x"), "{key}: 'tries' has the wrong type"),
        (setting(revision="x"), "{key}: 'revision' has the wrong type"),
        (setting(report="x"), "{key}: it has no content"),
        (removing("schema"), "{key}: 'schema' is missing or has the wrong type"),
        (with_id(5), "damaged report: 5: its id has the wrong type"),
        (with_id("undecodable"), f"damaged report: {BAD_ID}: its id cannot be decoded"),
    ],
)
def test_a_damaged_report_is_named_and_hides_no_gap(
    store: DBManager, damage: Damage, text: str
) -> None:
    at_work(store)
    damaged, _ = (report.key for report in make_reports(store, 2))
    before = verify(store).gaps
    damage(store, Collection.REPORTS, damaged)
    output, gaps = shown(store)
    assert text.format(key=damaged) in output
    assert gaps > before
    assert "make reanalyze" in output


@pytest.mark.parametrize("field", ["scan.pacs", "scan.scan_type"])
def test_a_finished_scan_with_bytes_that_are_not_utf_8_hides_no_gap(
    store: DBManager, field: str
) -> None:
    at_work(store)
    damaged, _ = (report.key for report in make_reports(store, 2))
    undecodable(field)(store, Collection.SCANS, damaged)
    output, _ = shown(store)
    assert f"{damaged}: it has bytes that cannot be decoded" in output


@pytest.mark.sample(5)
@pytest.mark.parametrize("name", [Collection.HISTORY, Collection.PICTURES, Collection.CHUNKS])
@pytest.mark.parametrize("key", [5, "text", {"x": "y"}, {"scan": 3}, {"blob": "x", "n": 0}])
def test_documents_with_ids_of_another_kind_are_named(
    store: DBManager, name: Collection, key: Any
) -> None:
    at_work(store)
    before = verify(store).gaps
    inside(store, name).insert_one({"_id": key})
    output, gaps = shown(store)
    assert f"id has the wrong type: {name} {key}" in output
    assert gaps == before + 1


def test_chunks_without_data_are_gaps_and_others_are_still_hashed(store: DBManager) -> None:
    new = [make_upload(store)[0] for _ in range(2)]
    for item in new:
        assert item.blob is not None
        store.scans.add([item])
        store.uploads.end(item.scan.key, item.blob)
    chunks = inside(store, Collection.CHUNKS)
    chunks.update_one({"_id": {"blob": new[0].blob, "n": 1}}, {"$set": {"voxels": 3}})
    verdict = verify(store, deep=True)
    assert (verdict.hashed, verdict.voxels_damaged) == (2, (new[0].scan.key,))
    chunks.update_one({"_id": {"blob": new[0].blob, "n": 0}}, {"$unset": {"voxels": True}})
    assert verify(store).voxels_missing == (new[0].scan.key,)
