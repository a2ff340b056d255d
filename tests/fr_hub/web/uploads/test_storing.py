"""Scans are stored as Fr-HUB stores them, whatever a sweep or a second sender does meanwhile."""

import pytest

from common.domain.audit_events import Kind
from common.errors import UploadLost
from common.scan_files.tasks import LoadedScan
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added
from common.store.unit_parts import web_parts
from fr_hub.web.uploads.storing import ScanWriter
from tests.factories import inside, make_scan
from tests.recorders import Recording


def large() -> LoadedScan:
    scan, voxels = make_scan(pacs="web", voxels=bytes(range(250)) * 4000, shape=(1000, 1000))
    return LoadedScan(scan, memoryview(voxels))


def test_the_trail_says_who_uploaded_it(store: DBManager) -> None:
    recording = Recording()
    writer = ScanWriter(web_parts(store.recorded_by(recording)), "jane")
    small = LoadedScan(*make_scan(pacs="web"))
    scans = [small, small, large()]
    assert [writer.put(one) for one in scans] == [Added.STORED, Added.KNOWN, Added.STORED]
    received = [one for one in recording.events if one["kind"] == Kind.RECEIVE]
    assert [one["by"] for one in received] == ["jane"] * 3
    assert [one["outcome"] for one in received] == ["stored", "known", "stored"]


def test_an_upload_that_a_sweep_took_is_stored_again(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = type(store.uploads).seal
    lost: list[object] = []

    def swept(self: object, key: str, blob: object) -> None:
        if not lost:
            lost.append(blob)
            inside(store).delete_one({"_id": key})
            inside(store, Collection.CHUNKS).delete_many({"_id.blob": blob})
            raise UploadLost("swept")
        seal(self, key, blob)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store.uploads), "seal", swept)
    loaded = large()
    assert ScanWriter(web_parts(store), "jane").put(loaded) is Added.STORED
    stored = inside(store).find_one({"_id": loaded.scan.key})
    assert stored is not None
    assert stored["blob"] != lost[0]


def test_nothing_is_left_of_a_scan_that_another_has_stored_meanwhile(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, writer = large(), ScanWriter(web_parts(store), "jane")
    assert writer.put(loaded) is Added.STORED
    monkeypatch.setattr(type(store.scans), "known", lambda *_: None)
    assert writer.put(loaded) is Added.KNOWN
    assert len(inside(store, Collection.CHUNKS).distinct("_id.blob")) == 1
