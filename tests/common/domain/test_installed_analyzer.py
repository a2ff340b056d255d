"""Analyzers as they are told: whole, or not at all."""

from common.domain.installed_analyzer import InstalledAnalyzer, installed_in, packed, unpacked

ONE = InstalledAnalyzer("volume", "5", ("flair", "t1"))


def test_analyzers_come_back_as_they_were_told() -> None:
    assert unpacked(packed([ONE])) == (ONE,)
    assert installed_in([ONE.to_document()]) == (ONE,)
    assert str(ONE) == "volume 5"


def test_what_is_damaged_is_left_out() -> None:
    assert unpacked(b"") == unpacked(b'"x"') == unpacked(b"\xff[") == ()
    assert installed_in([{"name": 1, "version": "5", "types": []}, 7, ONE.to_document()]) == (ONE,)
    assert installed_in([{"name": "a", "version": "1", "types": ["t1", 5]}])[0].types == ("t1",)
