"""Each code of a problem has a sentence."""

from common.domain.input_problems import ORIENTATION_GUESSED, PROBLEMS, sentence


def test_each_code_has_a_sentence() -> None:
    for code, text in PROBLEMS.items():
        assert sentence(code) == text
        assert text.endswith(".")
    assert set(PROBLEMS) >= ORIENTATION_GUESSED


def test_a_code_of_another_release_stands_for_itself() -> None:
    assert "from_a_later_release" in sentence("from_a_later_release")
