"""What sources of synthetic scans have in common."""

from collections.abc import Callable
from typing import Any

import pytest

from common.errors import SettingsError
from fr_pacs.sources.ecg.source import EcgSource
from fr_pacs.sources.grid import GridSource
from fr_pacs.sources.phantom.source import PhantomSource

SOURCES = (EcgSource, GridSource, PhantomSource)


@pytest.mark.parametrize("source", SOURCES)
def test_each_scan_has_an_id_of_its_own_that_a_run_with_a_name_repeats(
    source: Callable[..., Any],
) -> None:
    ids = [[task.scan_id for task in source("pacs-1", 3, 1, run="r")] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
    assert not {task.scan_id for task in source("pacs-1", 3, 1)} & set(ids[0])
    assert source("pacs-1", 3, 1).total == 3
    assert not source("pacs-1", 3, 1).waits
    endless = iter(source("pacs-1", None, 1))
    assert len({next(endless).scan_id for _ in range(4)}) == 4


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("scans", "seed"), [(-1, 1), (1, -1)])
def test_negative_numbers_are_refused(source: Callable[..., Any], scans: int, seed: int) -> None:
    with pytest.raises(SettingsError):
        source("pacs-1", scans, seed)
