"""Names and notes in any script, and how they are found."""

import pytest
from pydantic import TypeAdapter, ValidationError

from common.domain.personal_text import Line, Note, folded, name_key, words_of

LINE: TypeAdapter[str] = TypeAdapter(Line)
NOTE: TypeAdapter[str] = TypeAdapter(Note)


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "王小明",
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "O'Brien-Núñez",
        "Ægir",
        "क्\u200dष",
    ],
)
def test_names_of_any_script_stay_as_they_are(name: str) -> None:
    assert LINE.validate_python(f" {name} ") == name


def test_a_name_is_composed() -> None:
    assert LINE.validate_python("Jose\u0301") == "Jos\u00e9"


@pytest.mark.parametrize(
    "text", ["", "  ", "a\nb", "a\x00b", "a\x1b[31m", "a\u202eb", "a\ud800", "a\u2028b", "a" * 201]
)
def test_what_cannot_be_shown_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LINE.validate_python(text)
    assert text.strip() == "" or repr(text) not in refused.value.errors()[0]["msg"]


def test_a_note_has_lines() -> None:
    assert NOTE.validate_python("after\r\nlunch\n") == "after\nlunch"
    with pytest.raises(ValidationError):
        NOTE.validate_python("a\rb")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Núñez  DE la Cruz", "nunez de la cruz"),
        ("STRASSE", folded("Straße")),
        ("\uff21da", "ada"),
        ("İstanbul", "istanbul"),
    ],
)
def test_case_accents_width_and_spaces_make_no_difference(text: str, found: str) -> None:
    assert folded(text) == found


def test_words_are_letters_and_digits_each_once() -> None:
    assert words_of("O'Brien, Ann-Marie Ann 3rd ^$.*") == ["o", "brien", "ann", "marie", "3rd"]
    assert words_of("...") == []


def test_the_key_of_a_name_is_bounded() -> None:
    assert len(name_key("\ufdfa" * 200)) == 200  # each is 18 characters
