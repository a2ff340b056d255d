"""Reports in each form, of each revision, for their tenant alone."""

import csv

import jsonschema  # type: ignore[import-untyped]
import pytest
from fastapi.testclient import TestClient

from common.domain.report import BrainReport
from common.domain.report_text import report_text
from common.domain.types import hash_voxels
from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.common.store.test_report_reader import second_revision
from tests.factories import make_failed, make_reports
from tests.fr_hub.web.conftest import NORTH, ClientOf

API = "/api/v1"
SCANS = f"{API}/scans"


@pytest.fixture
def reader(client_of: ClientOf) -> TestClient:
    return client_of(Role.READER)


def test_a_report_is_json_of_the_published_schema_text_and_pdf(
    store: DBManager, reader: TestClient
) -> None:
    [report] = make_reports(store, 1)
    path = f"{SCANS}/{report.key}/report"
    answer = reader.get(path)
    schema = reader.get(f"{API}/reports/schema.json").json()
    jsonschema.validate(answer.json(), schema)
    assert BrainReport.model_validate_json(answer.content) == report
    known = {"If-None-Match": answer.headers["etag"]}
    assert reader.get(path, headers=known).status_code == 304
    assert reader.get(f"{path}.txt").text == report_text(report)
    pdf = reader.get(f"{path}.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    assert reader.get(f"{path}.pdf").content == pdf.content


def test_revisions_are_read_and_compared(store: DBManager, reader: TestClient) -> None:
    [first] = make_reports(store, 1)
    second = second_revision(store, first)
    revisions = reader.get(f"{SCANS}/{first.key}/revisions").json()["items"]
    assert [one["revision"] for one in revisions] == [2, 1]
    path = f"{SCANS}/{first.key}/report"
    for number, report in ((1, first), (2, second)):
        shown = reader.get(path, params={"revision": str(number)}).json()
        assert shown["report_id"] == report.report_id
    store.connection.reports.update_one(
        {"_id": first.key}, {"$set": {"report.analyzer.version": "2"}}
    )
    changed = reader.get(f"{SCANS}/{first.key}/changes?from=1&to=2").json()
    assert changed["changes"] == [{"field": "analyzer.version", "before": "1", "after": "2"}]
    missing = reader.get(path, params={"revision": "3"})
    assert (missing.status_code, missing.json()["code"]) == (404, "no_report")


def test_a_picture_is_sent_as_it_is_stored(store: DBManager, reader: TestClient) -> None:
    [report] = make_reports(store, 1)
    path = f"{SCANS}/{report.key}/picture.png"
    assert reader.get(path).status_code == 404
    png = b"\x89PNG picture"
    name = hash_voxels(png)
    store.pictures.add(report.key, name, png)
    store.connection.reports.update_one(
        {"_id": report.key}, {"$set": {"report.picture_hash": name}}
    )
    answer = reader.get(path)
    assert (answer.content, answer.headers["content-type"]) == (png, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_pdf_is_named_after_its_scan(store: DBManager, reader: TestClient) -> None:
    [report] = make_reports(store, 1)
    answer = reader.get(f"{SCANS}/{report.key}/report.pdf")
    name = f'attachment; filename="{report.scan_id}.pdf"'
    assert answer.headers["content-disposition"] == name


def test_another_tenants_report_answers_as_one_that_is_not_there(
    store: DBManager, client_of: ClientOf
) -> None:
    [report] = make_reports(store, 1)
    second_revision(store, report)
    north = client_of(Role.READER, tenant=NORTH)
    for path in (
        *("report", "report?revision=1", "report.txt", "report.pdf", "picture.png"),
        *("revisions", "changes?from=1&to=2"),
    ):
        foreign = north.get(f"{SCANS}/{report.key}/{path}")
        absent = north.get(f"{SCANS}/absent@pacs-1/{path}")
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content


def test_a_table_has_a_row_for_each_report_of_a_query(
    store: DBManager, reader: TestClient, client_of: ClientOf
) -> None:
    reports = make_reports(store, 2) + make_reports(store, 1, pacs="pacs-2")
    make_failed(store, 1)

    def rows(client: TestClient, query: str = "") -> set[str]:
        answer = client.get(f"{API}/reports.csv{query}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        return {row["scan_id"] for row in csv.DictReader(answer.text.splitlines())}

    assert rows(reader) == {report.scan_id for report in reports}
    assert rows(reader, "?pacs=pacs-2") == {reports[2].scan_id}
    assert rows(client_of(Role.READER, tenant=NORTH)) == set()
    assert reader.get(f"{API}/reports.csv?verdict=no").status_code == 422
