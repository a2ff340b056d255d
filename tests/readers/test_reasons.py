from tests.imports import ROOT
from tests.readers.reasons import OURS, REASONS, judged, reason_for
from tests.readers.verdicts import Row, Verdict


def test_the_readme_has_each_reason() -> None:
    readme = (ROOT / "common" / "formats" / "README.md").read_text()
    for why in (*REASONS.values(), *OURS.values()):
        assert why in readme


def test_a_reason_is_found_by_what_fr_says_and_others_have_none() -> None:
    row = Row("a", 0, 1, Verdict.THEIRS, "not a scan, but a segmentation")
    assert reason_for(row) == "labels are not intensities"
    assert reason_for(Row("a", 0, 1, Verdict.THEIRS, "damaged")) is None


def test_only_a_better_verdict_of_others_is_corrected() -> None:
    name = next(iter(OURS))
    assert judged(name, Verdict.THEIRS) is Verdict.OURS
    assert judged(name, Verdict.REFUSED) is Verdict.REFUSED
    assert judged("a", Verdict.THEIRS) is Verdict.THEIRS
