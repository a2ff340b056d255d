"""The analysed scans of studies are found as soon as their reports are written."""

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.study_members import StudyMembers
from tests.common.store.studies import STUDY, claimed, done, report_of
from tests.factories import edit, inside


def members(store: DBManager) -> StudyMembers:
    return StudyMembers(store.connection)


def test_a_member_is_what_its_scan_and_its_report_say(store: DBManager) -> None:
    scan = done(store, "flair", "flair", "t1")
    done(store, "other", "t1", study="f" * 16)
    [one] = members(store).of([STUDY])
    assert one.member.scan == scan
    assert (one.member.contrast, one.member.analyzer) == ("flair", "volume 10")
    assert (one.member.verdict, one.member.has_maps, one.member.t1_scan) == ("pass", True, "t1")
    assert (one.state, one.revision, one.reported, one.read_with) == ("Done", 1, 1, None)
    assert len(members(store).of([STUDY, "f" * 16])) == 2


def test_a_report_counts_before_its_scan_is_done(store: DBManager) -> None:
    claim = claimed(store, "t1")
    assert members(store).of([STUDY]) == []
    store._reports.write([report_of(claim, "t1")])
    [one] = members(store).of([STUDY])
    assert (one.state, one.member.has_maps) == ("In Progress", False)


def test_damaged_scans_and_reports_are_passed_over(store: DBManager) -> None:
    kept, header, report = (done(store, name, "t1") for name in ("kept", "header", "report"))
    edit(store, header.key, **{"scan.shape": "none"})
    inside(store, Collection.REPORTS).update_one(
        {"_id": report.key}, {"$set": {"report.findings": 7}}
    )
    assert [one.member.scan for one in members(store).of([STUDY])] == [kept]


def test_a_scan_that_was_erased_is_no_member(store: DBManager) -> None:
    scan = done(store, "t1", "t1")
    store.erasure.erase([scan.key])
    assert members(store).of([STUDY]) == []
