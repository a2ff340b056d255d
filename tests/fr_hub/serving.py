"""What the tests of the server and its sessions share."""

import numpy as np

from common.domain.states import ReportGenerated
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from tests.factories import make_scan
from tests.running import acked, send_scan, sender

LARGE: dict[str, object] = {  # four chunks, the last one short
    "shape": (64, 64, 100),
    "dtype": "uint16",
    "voxels": np.random.default_rng(1).bytes(64 * 64 * 100 * 2),
}


def still_serves(hub: HubSettings, store: DBManager) -> None:
    """Others are served: a good scan is stored and acknowledged."""
    scan, voxels = make_scan()
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    assert store.queries.states_of([scan.key])[scan.key][0] == ReportGenerated.TO_DO
