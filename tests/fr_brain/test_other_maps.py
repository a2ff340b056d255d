"""Label maps of another scan have its shape; damaged ones are as if there were none."""

import threading

import numpy as np

from common.runtime.logger import AvailabilityLog, get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.opening import retrying_store
from fr_brain.other_maps import maps_of
from tests.common.store.studies import BY, GRID, done, scan_of
from tests.factories import inside


def test_label_maps_have_the_shape_of_their_scan(store: DBManager) -> None:
    done(store, "t1", "t1")
    [t1] = store.study_scans.t1_scans_for(scan_of("flair"), BY)
    retry = retrying_store(threading.Event(), AvailabilityLog(get_log(), "MongoDB"))
    maps = maps_of(store.study_scans, retry, t1, ("cells", "others"))
    assert list(maps) == ["cells"]
    np.testing.assert_array_equal(maps["cells"], GRID)
    inside(store, Collection.LABELS).delete_many({})
    assert maps_of(store.study_scans, retry, t1, ("cells",)) == {}
