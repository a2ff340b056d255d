import pytest

from common.formats.known_names import kind_by_name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_task-rest_physio.tsv.gz", "sidecar"),
        ("sub-01_dwi.BVEC", "sidecar"),
        ("README", "text"),
        (".DS_Store", "system"),
        ("._sub-01_T1w.nii.gz", "system"),
        ("Thumbs.db", "system"),
        (".bidsignore", "hidden"),
        ("AUTORUN.INF", "program"),
        ("lh.central.gii", "surface"),
        ("rest.dtseries.nii", "surface"),
        ("fig.svg", "picture"),
    ],
)
def test_names_that_leave_no_doubt(name: str, kind: str) -> None:
    assert kind_by_name(name) == kind


@pytest.mark.parametrize(
    "name",
    [
        *("a.nii", "a.json.nii.gz", "a.dcm", "a.IMA", "IM0001", "I.001", "E6977S4I1.MR", "a.gz"),
        *("1.3.12.2.1107.5.2.32", "a.img", "a.hdr", "a.mgz", "readme.dcm", "a.zip"),
    ],
)
def test_names_that_may_be_images_are_left_to_the_content(name: str) -> None:
    assert kind_by_name(name) is None
