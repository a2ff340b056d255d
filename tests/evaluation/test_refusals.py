"""Images that are no adult head are refused or doubted, and the evaluation says so."""

import pytest

from tests.evaluation.__main__ import main
from tests.evaluation.refusals import IMAGES, Refusal, judge, text_of

QUICK = ("constant", "noise", "checkerboard", "text", "four slices of a head", "torso")


@pytest.mark.parametrize("name", QUICK)
def test_an_image_that_is_no_head_is_refused(name: str) -> None:
    refusal = judge(name)
    assert refusal.verdict == "fail"
    assert refusal.reason


def test_there_are_many_of_them_each_made_in_its_own_way() -> None:
    assert len(IMAGES) >= 28
    assert len({*IMAGES.values()}) == len(IMAGES)


def test_the_table_counts_the_verdicts_and_names_what_passed() -> None:
    refusals = [
        Refusal("sphere", "pass", ""),
        Refusal("cube", "warn", "low_contrast"),
        Refusal("noise", "fail", "no head"),
    ]
    text = text_of(refusals)
    assert "| cube | warn | low_contrast |" in text
    assert "of 3 images that are no adult head, 1 failed, 1 was read with a warning" in text
    assert text.endswith("1 passed: missed: sphere passed")
    assert text_of(refusals[1:]).endswith("0 passed: the goal met")


def test_a_verdict_is_the_same_each_time() -> None:
    assert judge("smooth random field") == judge("smooth random field")


def test_the_evaluation_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--only", "refusals", "--jobs", "1"])
    out = capsys.readouterr().out
    assert f"of {len(IMAGES)} images that are no adult head" in out
    assert code == int("missed" in out)
