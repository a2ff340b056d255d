"""The page about an analyzer has the part of Fr's documents that its reports refer to."""

import re

import pytest

from common.domain.further_reading import READINGS
from fr_hub.web import analyzer_docs
from fr_hub.web.analyzer_docs import analyzer_page


@pytest.mark.parametrize("name", READINGS)
def test_each_has_its_part_alone_and_leads_back_and_nowhere_else(name: str) -> None:
    page = analyzer_page(name)
    assert page is not None
    text = page.decode()
    [heading] = re.findall(r"<h2>(.*?)</h2>", text)
    assert re.sub("<.*?>", "", heading) == READINGS[name].heading
    assert READINGS[name].document in text
    assert re.findall(r'(?:src|href)="([^"]+)"', text) == ["/docs/docs.css", "/"]
    assert not re.search(r"<style|style=|<script|\son\w+=", text)


@pytest.mark.parametrize("name", READINGS)
def test_figures_and_limits_come_before_commands(name: str) -> None:
    text = (analyzer_page(name) or b"").decode()
    last = max(text.rindex(part) for part in ("</table>", "</li>") if part in text)
    assert "make evaluate" in text[last:]
    assert "<code>make" not in text[:last]


def test_that_of_volumes_has_the_figures_as_tables() -> None:
    text = (analyzer_page("volume") or b"").decode()
    assert text.count("<table>") == text.count("</table></div>") >= 3
    assert "<td>soft lesions, 1 mm</td>" in text
    assert "What it does not measure" in text
    assert "Your own analyzer" not in text


@pytest.mark.parametrize("name", ["", "other", "../README", "volume/"])
def test_others_have_none(name: str) -> None:
    assert analyzer_page(name) is None


def test_names_that_are_unknown_are_not_kept() -> None:
    before = analyzer_docs._page.cache_info().currsize
    assert analyzer_docs.analyzer_page("unknown") is None
    assert analyzer_docs._page.cache_info().currsize == before
