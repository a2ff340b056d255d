"""How an image and a copy of it are named to the people whose files they are."""

from common.domain.file_outcomes import FileOutcome
from common.scan_files.accounts import Origin, account_of_copy


def test_an_image_is_named_as_the_log_names_it() -> None:
    assert Origin("=a.nii", "volume 2", "/data").label == "=a.nii [volume 2]"


def test_a_copy_names_the_file_that_was_sent() -> None:
    account = account_of_copy(Origin("b.nii"), Origin("a.nii"), "x")
    assert (account.outcome, account.scan_id) == (FileOutcome.COPY, "x")
    assert account.reason == "the same image as a.nii"
