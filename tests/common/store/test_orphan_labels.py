"""Label maps that no report names are swept after their grace, and no others."""

from datetime import timedelta

import pytest

from common.domain.types import utc_now
from common.store import orphan_labels
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.labels import LabelSet, LabelWriter
from tests.factories import inside
from tests.label_maps import analyse_again, labels_of, make_labelled, packed

OLD = utc_now() - timedelta(seconds=2 * orphan_labels.GRACE_S)


def age_all(store: DBManager) -> None:
    inside(store, Collection.LABELS).update_many({}, {"$set": {"created_at": OLD}})


def fences(store: DBManager) -> set[tuple[str, int]]:
    found = inside(store, Collection.LABELS).find({}, {"_id": 1})
    return {(one["_id"]["scan"], one["_id"]["fence"]) for one in found}


def test_what_no_report_and_no_revision_names_is_deleted_after_its_grace(store: DBManager) -> None:
    report, *_ = make_labelled(store)
    maps = packed(lesions=labels_of(store.revisions.reported(report.key)[0].scan))  # type: ignore[index]
    analyse_again(store, report.key, maps)
    named = fences(store)
    assert len(named) == 2
    lost = [LabelSet(key, fence, maps) for key in (report.key, "gone@mr-1") for fence in (7, 8)]
    LabelWriter(store.connection).add(lost)
    age_all(store)
    young = LabelSet("gone@mr-1", 9, maps)
    LabelWriter(store.connection).add([young])
    assert store.orphan_labels.sweep() == 4
    assert fences(store) == {*named, ("gone@mr-1", 9)}
    assert store.orphan_labels.sweep() == 0
    assert store.orphan_labels.sweep(grace_s=-60) == 1
    assert fences(store) == named


@pytest.mark.parametrize("labels", ["damaged", {"fence": "one"}])
def test_what_a_damaged_report_may_name_is_kept(store: DBManager, labels: object) -> None:
    report, *_ = make_labelled(store)
    named = fences(store)
    inside(store, Collection.REPORTS).update_one({"_id": report.key}, {"$set": {"labels": labels}})
    age_all(store)
    assert store.orphan_labels.sweep() == 0
    assert fences(store) == named


def test_a_sweep_looks_at_some_and_continues_there(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphan_labels, "_PAGE", 2)
    monkeypatch.setattr("common.store.labels.CHUNK_BYTES", 8)  # several chunks each
    report, *_ = make_labelled(store)
    maps = packed(lesions=labels_of(store.revisions.reported(report.key)[0].scan))  # type: ignore[index]
    LabelWriter(store.connection).add([LabelSet("a@mr-1", n, maps) for n in range(5)])
    age_all(store)
    assert [store.orphan_labels.sweep(limit=3) for _ in range(3)] == [3, 2, 0]
    assert fences(store) == {(report.key, 1)}
