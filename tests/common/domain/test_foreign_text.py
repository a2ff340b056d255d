import json

import pytest

from common.domain.foreign_text import PATH, SENTENCE, SHORT, escape, quote

HARMFUL = {
    "C0": "\x00\x07\b\t\r\n\x1b",
    "DEL and C1": "\x7f\x80\x85\x9b\x9f",
    "bidirectional": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "separators": "\u2028\u2029",
    "zero width": "\u200b\u200d\ufeff",
    "lone surrogates": "\ud800\udbff\udc00\udc7f\udcff\udfff",
    "private and unassigned": "\ue000\U000e0001\U0010ffff",
}


@pytest.mark.parametrize("chars", HARMFUL.values(), ids=HARMFUL)
def test_what_could_act_on_a_reader_is_escaped(chars: str) -> None:
    for char in chars:
        shown = escape(f"a{char}b")
        assert shown.isprintable()
        assert shown.isascii()
        assert (shown[0], shown[1], shown[-1]) == ("a", "\\", "b")
        shown.encode()


@pytest.mark.parametrize("text", ["", "pacs-1", "Größe 3 µm ≥ 2, 脳", "[/] [bold] <script>"])
def test_plain_text_stays(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize("longest", [1, 2, 16, SHORT, PATH, SENTENCE])
@pytest.mark.parametrize("char", ["a", "\x1b", "\U000e0001", "脳"])
def test_the_result_is_never_longer_and_says_that_it_is_cut(char: str, longest: int) -> None:
    shown = escape(char * 300_000, longest)
    assert len(shown) <= longest
    assert shown.endswith("…")
    assert escape("b" * longest, longest) == "b" * longest


def test_an_escape_is_never_cut_apart() -> None:
    for longest in range(1, 40):
        shown = escape("\u202e" * 10, longest).removesuffix("…")
        assert shown == "\\u202e" * (len(shown) // 6)


def test_escaping_again_changes_nothing() -> None:
    for chars in HARMFUL.values():
        once = escape(chars * 100, SHORT)
        assert escape(once, SHORT) == once
        assert json.loads(json.dumps(once)) == once


def test_a_byte_of_a_file_name_that_is_not_utf_8_keeps_its_value() -> None:
    assert escape(b"caf\xe9.nii".decode(errors="surrogateescape")) == "caf\\xe9.nii"


def test_a_quoted_value_is_short() -> None:
    assert quote("\x1b" * 300_000) == "'" + "\\x1b" * 15 + "…'"
    assert quote(7) == "'7'"
