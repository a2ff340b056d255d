"""Label maps of another scan are read as they are stored, or are told to be gone."""

import pytest

from common.errors import VoxelsDamaged
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.other_scans import OtherScan, source_of
from fr_brain.analyzers.base import LabelMap
from tests.common.store.test_earlier_scans import GRID, done, scan_of
from tests.factories import edit, inside


def earlier_of(store: DBManager) -> OtherScan:
    earlier = store.earlier_scans.latest_before(scan_of(0), lambda _: True)
    assert earlier is not None
    return earlier


def test_label_maps_are_read_by_name(store: DBManager) -> None:
    done(store, 30, LabelMap("cells", {1: "one", 2: "two"}, GRID))
    earlier = earlier_of(store)
    maps = store.earlier_scans.labels(earlier, ("cells", "others"))
    assert maps == {"cells": GRID.tobytes(order="F")}


def test_label_maps_that_are_gone_are_told(store: DBManager) -> None:
    done(store, 30, LabelMap("cells", {1: "one", 2: "two"}, GRID))
    earlier = earlier_of(store)
    inside(store, Collection.LABELS).delete_many({})
    with pytest.raises(VoxelsDamaged):
        store.earlier_scans.labels(earlier, ("cells",))


def test_label_maps_of_another_revision_are_not_read(store: DBManager) -> None:
    done(store, 30, LabelMap("cells", {1: "one", 2: "two"}, GRID))
    earlier = earlier_of(store)
    edit(store, earlier.scan.key, revision=2)
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"revision": 2}})
    assert store.earlier_scans.labels(earlier, ("cells",)) == {}


def test_a_fr_pacs_owns_its_scans_and_no_others() -> None:
    assert source_of(scan_of(0, pacs="pacs-7")).pacs == frozenset({"pacs-7"})
