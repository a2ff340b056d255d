"""What all sources share."""

from common.domain.scan import Priority
from common.settings.loading import PacsSettings
from fr_pacs.sources.base import with_priority
from fr_pacs.sources.grid import GridSource


def test_scans_are_sent_with_the_priority_of_the_settings() -> None:
    loaded = next(iter(GridSource("pacs-1", 1, seed=1))).load()
    stat = with_priority(loaded, Priority.STAT)
    assert stat.scan.priority is Priority.STAT
    assert stat.voxels is loaded.voxels
    assert stat.scan.same_content(loaded.scan)
    assert with_priority(loaded, Priority.ROUTINE) is loaded


def test_the_setting_names_the_priority() -> None:
    assert PacsSettings(_env_file=None).priority is Priority.ROUTINE  # type: ignore[call-arg]
    stat = PacsSettings(_env_file=None, priority="stat")  # type: ignore[call-arg, arg-type]
    assert stat.priority is Priority.STAT
