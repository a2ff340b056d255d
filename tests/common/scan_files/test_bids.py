"""What the path of a file says by BIDS."""

from pathlib import Path

import pytest

from common.scan_files.bids import Entities, entities_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ds/sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz", Entities("sub-01", "ses-02", "t1")),
        ("ds/sub-01/ses-02/anat/brain.nii", Entities("sub-01", "ses-02")),
        ("sub-A_acq-x_FLAIR.nii", Entities("sub-A", None, "flair")),
        ("sub-01/sub-02_dwi.nii", Entities("sub-02", None, "diffusion")),
        ("mysub-01/xsub-1_run-1_T2w.nii", Entities(None, None, "t2")),
        ("subjects/sub-/T1w.nii", Entities(None, None, "t1")),
        ("a.nii", Entities()),
    ],
)
def test_names_come_before_folders(path: str, expected: Entities) -> None:
    assert entities_of(Path(path)) == expected


@pytest.mark.parametrize(
    ("session", "is_label"),
    [(None, False), ("ses-01", True), ("ses-M12", True), ("ses-20190131", False)],
)
def test_what_may_be_a_date_is_no_label(session: str | None, is_label: bool) -> None:
    assert Entities(session=session).is_session_a_label is is_label
