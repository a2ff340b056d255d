"""What is known of a scan, whatever is damaged."""

from common.domain.tenant import tenants_of
from common.store.db_manager import DBManager
from tests.factories import edit, inside, make_claimable, make_reports

HERE = tenants_of({})["default"]


def test_a_damaged_header_or_report_leaves_the_rest(store: DBManager) -> None:
    [report] = make_reports(store, 1, pacs="pacs-2")
    [scan] = make_claimable(store, 1)
    lesions = "report.findings.lesions.volume_ml"
    reports = store.connection.reports
    edit(store, scan.key, **{"scan.shape": "large"})
    found = store.scan_pages.these(HERE, [scan.key, report.key])
    assert [one.listed.key for one in found] == [scan.key, report.key]
    assert found[0].header is None
    assert found[0].listed.damage
    for stored, shown in ((1.5, 1.5), (2, 2.0), ("much", None), (True, None)):
        reports.update_one({"_id": report.key}, {"$set": {lesions: stored}})
        [one] = store.scan_pages.these(HERE, [report.key])
        assert one.lesion_volume_ml == shown
    contrast = "report.findings.parameters.contrast"
    for value, known in (("t1", True), ("flair", True), ("t2", False), (1, False), ([], False)):
        reports.update_one({"_id": report.key}, {"$set": {contrast: value}})
        [one] = store.scan_pages.these(HERE, [report.key])
        assert one.read_as == (value if known else None)
    reports.update_one({"_id": report.key}, {"$set": {"report.findings.parameters": "t1"}})
    [one] = store.scan_pages.these(HERE, [report.key])
    assert one.read_as is None
    inside(store).delete_one({"_id": scan.key})
    assert store.scan_pages.these(HERE, [scan.key]) == []
