"""Rows of the index of reports, and the names of report files."""

import re

import pytest

from common.domain.findings import Findings, Lesions, Quality, Verdict, Volumes
from common.domain.report_index import (
    ABOUT_REPORT,
    COLUMNS,
    about_file,
    about_outcome,
    about_report,
    files_name,
    is_index,
    label_of,
    map_file,
    map_in,
    path_of,
    row_key,
    scan_id_in,
)
from tests.factories import make_report, make_scan

SCAN_ID = "0123456789abcdef0123456789abcdef"


def test_a_row_has_the_main_results_of_a_report() -> None:
    scan, _ = make_scan(scan_id=SCAN_ID)
    findings = Findings(
        quality=Quality(verdict=Verdict.WARN, flags=("noisy", "t1"), reasons=("a", "b")),
        lesions=Lesions(count=3, voxels=30, volume_ml=0.0123456),
        volumes=Volumes(head_ml=3210.5, brain_ml=1234.56, intracranial_ml=1500.0),
    )
    row = about_report(
        make_report(scan, findings=findings, revision=2, subject="sub-01", role="flair")
    )
    assert set(row) == set(ABOUT_REPORT)
    assert (row["scan_id"], row["pacs"], row["subject"]) == (SCAN_ID, scan.pacs, "sub-01")
    assert row["role"] == "flair"
    assert (row["verdict"], row["problems"], row["revision"]) == ("warn", "noisy; t1", "2")
    assert (row["lesions"], row["lesions_ml"]) == ("3", "0.01235")
    assert (row["intracranial_ml"], row["brain_ml"], row["csf_ml"]) == ("1500", "1235", "")
    assert row["analyzer"] == "grid 1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["analysed_at"])


def test_what_was_not_measured_is_empty() -> None:
    scan, _ = make_scan()
    failed = Findings(quality=Quality(verdict=Verdict.FAIL, reasons=("a",)), lesions=None)
    row = about_report(make_report(scan, findings=failed))
    assert not any(value for name, value in row.items() if name.endswith("_ml"))
    assert row["lesions"] == ""


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\uff1dcmd()", "\uff201"])
def test_no_spreadsheet_takes_a_name_for_a_formula(name: str) -> None:
    row = about_file(name, name, "/data")
    assert row["file"] == f"./{name}"
    assert row["volume"] == f"'{name}"
    assert row_key(row)[0] == f"/data/{name}"


def test_no_reason_begins_a_cell_where_semicolons_part_them() -> None:
    row = about_outcome("refused", "a;=cmd(); b;\uff1dc;d")
    assert row["reason"] == "a; =cmd(); b; \uff1dc;d"


def test_rows_are_the_same_if_they_are_about_the_same_volume_of_the_same_file() -> None:
    one = row_key(about_file("a/b.nii", "volume 2", "/data"))
    assert one == row_key(about_file("a/b.nii", "volume 2", "/data"))
    assert one == row_key(about_file("b.nii", "volume 2", "/data/a"))
    others = [
        about_file("a/b.nii", "volume 1", "/data"),
        about_file("a/b.nii", "", "/data"),
        about_file("a/b.nii", "volume 2", "/other"),
    ]
    assert one not in map(row_key, others)


def test_a_series_keeps_its_row_if_a_slice_is_added() -> None:
    keys = {
        row_key(about_file("s/1.dcm", f"series of {count} slices, echo 1", "/data"))
        for count in (187, 188)
    }
    assert len(keys) == 1
    assert row_key(about_file("s/1.dcm", "series of 187 slices, echo 2", "/data")) not in keys


def test_without_a_file_the_scan_is_what_a_row_is_about() -> None:
    rows = [
        {**about_file("", "", ""), "scan_id": scan_id, "pacs": pacs}
        for scan_id, pacs in (("a", "one"), ("b", "one"), ("a", "two"))
    ]
    assert len(set(map(row_key, rows))) == 3


@pytest.mark.parametrize(
    ("file", "volume", "name"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", "", "sub-01_anat_sub-01_T1w"),
        ("bold.nii", "volume 12", "bold_volume_12"),
        ("gap/IM0000.dcm", "series of 188 slices", "gap_IM0000"),
        ("gap/IM0000.dcm", "series of 188 slices, echo 2", "gap_IM0000_echo_2"),
        ("Müller  Größe (1).nii", "", "M_ller_Gr_e_1"),
        ("../../-rf *\n;.nii", "", "rf"),
        ("日本.nii", "", "scan"),
        ("x" * 500 + "-end.mgz", "", "x" * 96 + "-end"),
    ],
)
def test_report_files_are_named_after_their_input(file: str, volume: str, name: str) -> None:
    named = files_name(SCAN_ID, about_file(file, volume, "/data"))
    assert named == f"{name}__{SCAN_ID}"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}", named)
    assert scan_id_in(named) == SCAN_ID


def test_without_a_file_and_in_earlier_releases_the_id_is_the_name() -> None:
    assert files_name(SCAN_ID, None) == files_name(SCAN_ID, about_file("", "", "")) == SCAN_ID
    assert scan_id_in(SCAN_ID) == SCAN_ID


@pytest.mark.parametrize("name", [SCAN_ID, f"a.b_c__{SCAN_ID}"])
def test_the_file_of_a_label_map_names_the_report_and_the_map(name: str) -> None:
    assert map_in(map_file(name, "lesions")) == (name, "lesions")
    assert map_in(map_file(name, "a_2")) == (name, "a_2")


@pytest.mark.parametrize(
    "name",
    ["a.nii.gz", ".lesions.nii.gz", "a.T1w.nii.gz", "a.lesions.nii", "a.lesions", "a.b c.nii.gz"],
)
def test_other_files_are_none_of_label_maps(name: str) -> None:
    assert map_in(name) is None


def test_a_label_names_the_file_and_the_volume() -> None:
    assert label_of(about_file("=a.nii", "volume 2", "/data")) == "=a.nii [volume 2]"
    assert label_of(about_file("a", "series of 3 slices", "/data")) == "a (series of 3 slices)"
    assert label_of(about_file("a.nii", "", "/data")) == "a.nii"
    assert label_of(about_file("", "", "")) == ""


def test_what_became_of_a_file_is_in_its_row() -> None:
    row = {**about_file("a/b.nii", "", "/data", 12), **about_outcome("refused", "=cmd()")}
    assert (row["files"], row["outcome"], row["reason"]) == ("12", "refused", "'=cmd()")
    assert path_of(row) == "/data/a/b.nii"
    assert about_file("", "", "")["files"] == path_of(about_file("", "", "")) == ""
    assert set(row) < set(COLUMNS)


def test_an_index_is_known_by_its_columns() -> None:
    assert is_index(COLUMNS)
    assert is_index([*COLUMNS, "my remarks"])
    assert not is_index(["name", "age"])
