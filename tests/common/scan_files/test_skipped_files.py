import pytest

from common.scan_files.skipped_files import SkippedFile, SkippedFiles, Skips, in_words
from fr_pacs.sources.base import Account, Origin


def test_files_are_counted_by_kind_and_by_folder() -> None:
    skipped = SkippedFiles()
    for label, folder, kind in [
        ("a.json", ".", "sidecar"),
        ("x/r.dcm", "x", "structured_report"),
        ("x/b.json", "x", "sidecar"),
        ("x/c.json", "x", "sidecar"),
    ]:
        skipped.add(label, folder, kind)
    assert len(skipped) == 4
    assert [file.label for file in skipped] == ["a.json", "x/r.dcm", "x/b.json", "x/c.json"]
    assert list(skipped.counts.items()) == [("structured_report", 1), ("sidecar", 3)]
    assert skipped.by_folder["x", "sidecar"] == 2
    assert in_words(skipped.counts) == "1 structured report, 3 sidecars"


def test_only_a_source_that_skips_is_asked() -> None:
    assert not isinstance(object(), Skips)


@pytest.mark.parametrize(
    ("kind", "detail", "outcome", "reason"),
    [
        ("structured_report", "", "skipped", "structured report"),
        ("diffusion", "not wanted", "skipped", "diffusion volume: not wanted"),
        ("stray", "", "skipped", "slice that strayed into a series"),
        ("copy", "a.dcm", "copy", "the same slice as A.DCM"),
        ("damaged_copy", "a.dcm", "copy", "the same slice as A.DCM"),
    ],
)
def test_its_account_says_what_it_is(kind: str, detail: str, outcome: str, reason: str) -> None:
    origins = (Origin("x.dcm"),)
    file = SkippedFile("x.dcm", ".", kind, origins, detail)
    account = file.account(lambda text: text.replace("a.dcm", "A.DCM"))
    assert (account.outcome, account.reason) == (outcome, reason)
    assert isinstance(account, Account)
    assert account.origins == origins
