"""What all sources share."""

from common.domain.file_outcomes import FileOutcome
from common.domain.scan import Priority
from common.settings.pacs import PacsSettings
from fr_pacs.sources.base import (
    Account,
    Origin,
    account_of_copy,
    accounts_of,
    files_field,
    with_priority,
)
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


def test_the_first_file_of_a_scan_has_its_outcome_and_the_others_are_copies() -> None:
    one, two = Origin("one.nii"), Origin("two.nii")
    reported = FileOutcome.REPORTED
    assert accounts_of([], reported, "", "x") == []
    assert accounts_of([one, two], reported, "", "x") == [
        Account(reported, "", (one,), "x"),
        Account(FileOutcome.COPY, "the same image as one.nii", (two,), "x"),
    ]
    assert accounts_of([one, two], reported, "", "x")[1] == account_of_copy(two, one, "x")


def test_the_ledger_names_all_files_of_a_label() -> None:
    one, two = Origin("1.dcm", "series of 2 slices"), Origin("2.dcm")
    assert files_field("1.dcm", [Origin("1.dcm")]) == files_field("synthetic 1", []) == {}
    assert files_field("1.dcm (series of 2 slices)", [one, two]) == {"files": ["1.dcm", "2.dcm"]}
    assert files_field("…/1.dcm", [Origin("long/1.dcm")]) == {"files": ["long/1.dcm"]}
