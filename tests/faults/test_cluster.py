"""Units of a world that end though nobody killed them."""

from pathlib import Path

from tests.faults.cluster import Cluster
from tests.running import until


def test_a_unit_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        slot = cluster.add("pacs-1", "fr_pacs", PACS_PORT="none")
        cluster.start(slot)
        until(lambda: bool(slot.ends))
    finally:
        cluster.close()
    assert slot.ends[0] == "exit code 2, fr-pacs: PACS_PORT='none': must be a whole number"
