"""Codes of the filters of a recording."""

import re

from common.formats.ecg.filters import common_codes, filter_code, prefilter_codes


def test_a_field_of_edf_names_its_filters() -> None:
    assert prefilter_codes("HP:0.1Hz LP:75Hz N:50Hz") == [
        "highpass_0_1_hz",
        "lowpass_75_hz",
        "notch_50_hz",
    ]
    assert prefilter_codes("HP: 3.2 s LP:0,15kHz") == ["highpass_0_0497359_hz", "lowpass_150_hz"]
    assert prefilter_codes("none, HP:0Hz") == []


def test_a_code_can_be_one() -> None:
    for hz in (1e-5, 0.05, 123456.789):
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,47}", filter_code("notch", hz) or "")
    assert filter_code("notch", float("nan")) is None
    assert filter_code("notch", 0) is None


def test_only_what_all_leads_share_counts() -> None:
    assert common_codes([["a", "b", "a"], ["b", "a"], ["b"]]) == ("b",)
    assert common_codes([[], ["a"]]) == ()
