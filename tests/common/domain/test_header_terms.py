"""Terms that are not known do not reach the store; those of Fr-PACS all do."""

from typing import Any

import pytest

from common.domain.header_terms import CONTRASTS, known_role
from common.domain.input_problems import PROBLEMS, UNKNOWN_PROBLEM
from common.domain.scan import BrainScan
from common.domain.volume_roles import ROLE_WORDS, VOLUME_ROLES
from common.formats.dicom import attributes, roles, volume_roles
from tests.factories import make_scan


def a_scan(**fields: Any) -> BrainScan:
    return make_scan(**fields)[0]


@pytest.mark.parametrize("role", ["mr john smith, born 1933", "jane", "x", "john smith"])
def test_a_role_of_an_unknown_kind_is_left_out(role: str) -> None:
    assert a_scan(role=role).role is None


@pytest.mark.parametrize(
    "rest", [", john smith", " smith", ", 1933-04-02", ", smith.john", ", b1234567"]
)
def test_of_a_role_with_unknown_words_the_kind_is_left(rest: str) -> None:
    assert a_scan(role=f"anatomical{rest}").role == "anatomical"


@pytest.mark.parametrize(
    "role", [*VOLUME_ROLES, "diffusion b0", "diffusion, b1000, direction 3", "anatomical, in phase"]
)
def test_a_known_role_is_kept(role: str) -> None:
    assert a_scan(role=role).role == role


def test_an_unknown_contrast_is_left_out_and_a_known_one_is_kept() -> None:
    assert a_scan(contrast="john_smith").contrast is None
    assert a_scan(contrast="t1").contrast == "t1"


def test_an_unknown_problem_is_a_problem_still() -> None:
    codes = ["john_smith", "slices_missing", "jane-doe"]
    assert a_scan(problems=codes).problems == (UNKNOWN_PROBLEM, "slices_missing")
    assert UNKNOWN_PROBLEM in PROBLEMS


@pytest.mark.parametrize("field", ["study", "series"])
@pytest.mark.parametrize("text", ["John.Smith", "1.2.840.113619", "study-1", "ABCDEF0123456789"])
def test_a_study_or_series_has_no_label(field: str, text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        a_scan(**{field: text})


def test_what_an_earlier_release_stored_is_shown_as_it_is() -> None:
    document = {**a_scan().document(), "role": "magnitude", "study": "s-1", "contrast": "odd"}
    document["problems"] = ["noisy"]
    scan = BrainScan.stored(document)
    assert (scan.role, scan.study, scan.contrast) == ("magnitude", "s-1", "odd")
    assert scan.problems == ("noisy",)


def test_all_words_that_fr_pacs_sends_are_known() -> None:
    assert set(attributes.CONTRASTS.values()) <= CONTRASTS
    said = {*roles._DIFFUSION.values(), *roles._COMPLEX.values(), *roles._DIXON.values()}
    words = {word for term in said for word in term.split()} | {*volume_roles._WORDS.values()}
    assert words <= ROLE_WORDS
    for word in words:
        assert known_role(f"anatomical, {word} 2") == f"anatomical, {word} 2"
